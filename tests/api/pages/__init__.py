"""The pages over HTTP, as something that is no browser sees them."""
