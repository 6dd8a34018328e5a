"""HTTP that leaves the host: addresses checked and pinned, no redirects, no proxies."""
