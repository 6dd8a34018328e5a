from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest

from saaf_autogen.egress import EgressClient, EgressPolicy, EgressTransport
from saaf_autogen.errors import InvalidArguments, TimedOut, Upstream
from tests.egress.server import Received, certificate, reply, serving


class Names:
    """A resolver of a fixed table; each answer is used once, the last one for ever."""

    def __init__(self, **table: Sequence[Sequence[str]]) -> None:
        self.table = {name: list(answers) for name, answers in table.items()}
        self.asked: list[str] = []

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        answers = self.table.get(host.split(".")[0])
        if not answers:
            raise OSError("no such name")
        return answers.pop(0) if len(answers) > 1 else answers[0]


async def ok(request: Received) -> bytes:
    return reply(200, body=b"fine")


PRIVATE: dict[str, list[list[str]]] = {
    "loop": [["127.0.0.1"]],
    "meta": [["169.254.169.254"]],
    "mixed": [["8.8.8.8", "10.0.0.1"]],
    "nat": [["64:ff9b::7f00:1"]],
    "mapped": [["::ffff:127.0.0.1"]],
    "junk": [["not an address"]],
    "empty": [[]],
}


@pytest.mark.parametrize("host", ["loop", "meta", "mixed", "nat", "mapped", "junk"])
async def test_a_name_of_which_any_address_is_not_public_is_refused(host: str) -> None:
    client = EgressClient(resolver=Names(**PRIVATE))
    url = f"https://{host}.example.com/"
    with pytest.raises(InvalidArguments, match="not on the public internet"):
        await client.check_url(url)
    with pytest.raises(InvalidArguments, match="not on the public internet"):
        await client.request("POST", url)
    await client.aclose()


@pytest.mark.parametrize(
    "url",
    [
        "https://localhost/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:7f00:1]/",
        "https://[64:ff9b::127.0.0.1]/",
        "https://[2002:7f00:1::]/",
        "https://127。0。0。1/",
        "https://169.254.169.254/latest/meta-data/",
        "https://[fd00:ec2::254]/",
        "https://100.64.0.1/",
        "https://0.0.0.0/",
    ],
)
async def test_the_systems_resolver_opens_no_way_to_this_host(url: str) -> None:
    client = EgressClient()
    with pytest.raises(InvalidArguments):
        await client.check_url(url)
    with pytest.raises(InvalidArguments):
        await client.request("GET", url)
    await client.aclose()


async def test_a_trailing_dot_does_not_change_what_localhost_is() -> None:
    # Some resolvers take "localhost." for this host, others do not know it.
    client = EgressClient(["localhost"])
    with pytest.raises((InvalidArguments, Upstream)):
        await client.request("GET", "https://localhost./")
    await client.aclose()


async def test_a_name_that_does_not_resolve_is_said_to_be_so() -> None:
    client = EgressClient(resolver=Names(**PRIVATE))
    for name in ("nowhere", "empty"):
        with pytest.raises(InvalidArguments, match="does not resolve"):
            await client.check_url(f"https://{name}.example.com/")
        with pytest.raises(Upstream, match="does not resolve"):
            await client.request("GET", f"https://{name}.example.com/")
    await client.aclose()


async def test_a_name_that_turns_private_after_its_registration_is_refused_when_it_is_used() -> (
    None
):
    async with serving(ok) as server:
        names = Names(rebind=[["8.8.8.8"], ["127.0.0.1"]])
        client = EgressClient(resolver=names)
        url = f"https://rebind.example.com:{server.port}/"
        await client.check_url(url)
        with pytest.raises(InvalidArguments):
            await client.request("POST", url)
        assert server.requests == []
        await client.aclose()


async def test_the_address_that_was_checked_is_the_one_that_is_dialled() -> None:
    # A second look at the name would lead to a port where nothing answers.
    async with serving(ok) as server:
        names = Names(hooks=[["127.0.0.1"], ["127.0.0.99"]])
        client = EgressClient([f"hooks.internal:{server.port}"], resolver=names)
        answer = await client.request("GET", f"http://hooks.internal:{server.port}/x")
        assert (answer.status, answer.body, names.asked) == (200, b"fine", ["hooks.internal"])
        assert server.requests[0].headers["host"] == f"hooks.internal:{server.port}"
        await client.aclose()


async def test_each_request_resolves_anew_and_none_rides_on_an_older_connection() -> None:
    async def keep(request: Received) -> bytes:
        return b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"

    async with serving(keep) as server:
        names = Names(hooks=[["127.0.0.1"]])
        client = EgressClient(["hooks"], resolver=names)
        for _ in range(2):
            await client.request("GET", f"http://hooks:{server.port}/")
        assert names.asked == ["hooks", "hooks"]
        await client.aclose()


async def test_the_next_checked_address_is_tried_when_one_does_not_answer() -> None:
    async with serving(ok) as server:
        names = Names(hooks=[["127.0.0.99", "127.0.0.1"]])
        client = EgressClient(["hooks"], resolver=names)
        assert (await client.request("GET", f"http://hooks:{server.port}/")).status == 200
        await client.aclose()


async def test_an_allowed_port_does_not_open_the_hosts_other_ports() -> None:
    async with serving(ok) as server:
        client = EgressClient([f"127.0.0.1:{server.port + 1}"])
        with pytest.raises(InvalidArguments):
            await client.request("GET", server.url())
        assert server.requests == []
        await client.aclose()


async def test_a_redirect_is_handed_back_and_not_followed() -> None:
    async def redirect(request: Received) -> bytes:
        return reply(302, "location: http://127.0.0.1:1/secret")

    async with serving(redirect) as server:
        client = EgressClient(["127.0.0.1"])
        answer = await client.request("GET", server.url())
        assert (answer.status, len(server.requests)) == (302, 1)
        await client.aclose()


async def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(ok) as proxy, serving(ok) as server:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url())
        client = EgressClient(["127.0.0.1"])
        await client.request("GET", server.url())
        assert (len(proxy.requests), len(server.requests)) == (0, 1)
        await client.aclose()


async def test_a_body_past_the_cap_is_cut_and_the_rest_is_not_read() -> None:
    async def endless(request: Received) -> bytes:
        return b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n" + b"x" * 3_000_000

    async with serving(endless) as server:
        client = EgressClient(["127.0.0.1"], max_bytes=1000)
        answer = await client.request("GET", server.url())
        assert (len(answer.body), answer.cut) == (1000, True)
        await client.aclose()


async def test_a_host_that_drips_its_answer_is_left_at_the_deadline() -> None:
    async def silent(request: Received) -> None:
        await asyncio.sleep(5)

    async with serving(silent) as server:
        client = EgressClient(["127.0.0.1"])
        with pytest.raises(TimedOut):
            await client.request("GET", server.url(), timeout_s=0.2)
        await client.aclose()


@pytest.mark.parametrize("raw", [None, b"SSH-2.0-OpenSSH_9.6\r\n\r\n"])
async def test_a_dropped_connection_and_an_answer_that_is_no_http_are_upstream_failures(
    raw: bytes | None,
) -> None:
    async def answer(request: Received) -> bytes | None:
        return raw

    async with serving(answer) as server:
        client = EgressClient(["127.0.0.1"])
        with pytest.raises(Upstream):
            await client.request("GET", server.url())
        await client.aclose()


async def test_the_certificate_is_checked_against_the_name_and_not_the_address(
    tmp_path: Path,
) -> None:
    server_side, authority = certificate("hooks.internal", tmp_path)
    trusting = ssl.create_default_context(cafile=str(authority))
    names = Names(hooks=[["127.0.0.1"]], other=[["127.0.0.1"]])
    async with serving(ok, server_side) as server:
        allow = ["hooks.internal", "other.internal"]
        client = EgressClient(allow, resolver=names, ssl_context=trusting)
        answer = await client.request("GET", f"https://hooks.internal:{server.port}/")
        assert answer.status == 200
        with pytest.raises(Upstream):
            await client.request("GET", f"https://other.internal:{server.port}/")
        stranger = EgressClient(allow, resolver=names)
        with pytest.raises(Upstream):
            await stranger.request("GET", f"https://hooks.internal:{server.port}/")
        await client.aclose()
        await stranger.aclose()


async def test_any_httpx_client_can_take_the_transport() -> None:
    transport = EgressTransport(EgressPolicy(["127.0.0.1"]))
    async with serving(ok) as server, httpx.AsyncClient(transport=transport) as client:
        assert (await client.post(server.url(), json={"a": 1})).text == "fine"
        with pytest.raises(InvalidArguments):
            await client.get("https://localhost/")
        with pytest.raises(httpx.ConnectError):
            await client.get("http://127.0.0.1:1/")
