from __future__ import annotations

import pytest

from saaf_autogen.egress import EgressPolicy
from saaf_autogen.errors import ConfigurationError, InvalidArguments


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "gopher://example.com:70/_x",
        "ftp://example.com/",
        "http://example.com/",
        "ws://example.com/",
        "javascript:alert(1)",
        "//example.com/x",
        "https:///path",
        "https:example.com",
        "https://user:secret@example.com/",
        "https://example.com@127.0.0.1/",
        "https://127.0.0.1:443@example.com/",
        "https://example.com\\@127.0.0.1/",
        "https://exa mple.com/",
        "https://example.com/\r\nHost: 127.0.0.1",
        "https://127.1/",
        "https://0x7f.1/",
        "https://0x7f000001/",
        "https://2130706433/",
        "https://0177.0.0.1/",
        "https://127.0.0.01/",
        "https://127.0.0.1./",
        "https://0/",
        "https://256.256.256.256/",
        "https://exa%6dple.com/",
        "https://[::1%25lo]/",
        "https://ⓛocalhost/",
        "https://１２７.0.0.1/",
        "https://xn--/",
        "https://[::1/",
        "https://example.com:0/",
        "https://example.com:70000/",
        "https://example.com/" + "a" * 2048,
        "https://exam\ud800ple.com/",
        "",
    ],
)
def test_a_url_of_a_hostile_form_is_refused_before_anything_is_resolved(url: str) -> None:
    with pytest.raises(InvalidArguments):
        EgressPolicy(["localhost"]).check(url)


@pytest.mark.parametrize(
    "url",
    ["https://example.com/a?b=c", "https://bücher.de/", "https://8.8.8.8/", "https://a.b:8443/"],
)
def test_an_https_url_of_a_host_passes(url: str) -> None:
    EgressPolicy().check(url)


def test_plain_http_is_for_hosts_that_the_deployment_names() -> None:
    policy = EgressPolicy(["localhost", "[::1]", "hooks.internal:9000"])
    policy.check("http://LOCALHOST:1234/hook")
    policy.check("http://[::1]:80/")
    policy.check("http://hooks.internal:9000/")
    for url in ("http://hooks.internal/", "http://localhost.:80/", "http://hooks.internal.:9000/"):
        with pytest.raises(InvalidArguments):
            policy.check(url)


@pytest.mark.parametrize(
    "entry", ["http://a", "a/b", "a:0", "a:x", "*", "*.example.com", "", "a b"]
)
def test_an_entry_of_the_allow_list_that_is_no_host_is_a_configuration_error(entry: str) -> None:
    with pytest.raises(ConfigurationError):
        EgressPolicy([entry])
