"""Proofs name the address by which others know the host, not the one that it listens at."""

from __future__ import annotations

from pathlib import Path

import httpx

from tests.auth.authorization.flows import prove
from tests.auth.test_dpop import KEY, bound_token
from tests.site import serving_site


def test_a_host_behind_a_proxy_knows_itself_by_its_public_address(tmp_path: Path) -> None:
    settings = {"clients": [{"id": "machine", "scopes": ["agents:run"]}]}
    with serving_site(tmp_path / "named", settings, name="localhost") as site:
        socket = site.url.replace("localhost", "127.0.0.1")
        token = bound_token(site)
        for address, status in ((site.url, 200), (socket, 401)):
            proof = prove(site, KEY, "", method="GET", token=token, htu=f"{address}/v1/agents")
            headers = {"Authorization": f"DPoP {token}", "DPoP": proof}
            response = httpx.get(f"{socket}/v1/agents", headers=headers)
            assert response.status_code == status, response.text
