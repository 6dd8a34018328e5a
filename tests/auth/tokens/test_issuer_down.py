"""A host whose trusted issuer is down when it starts."""

from __future__ import annotations

from pathlib import Path

from saaf_autogen.testing import ManualClock
from tests.auth.tokens.issuer import AUDIENCE, local_issuer
from tests.site import serving_site


def test_it_starts_and_says_503_for_that_issuers_tokens_until_it_is_there(tmp_path: Path) -> None:
    clock = ManualClock()
    with local_issuer(clock) as issuer:
        settings = {"issuers": [{"issuer": issuer.url, "audience": AUDIENCE}]}
        with serving_site(tmp_path / "host", settings, clock=clock) as site:
            headers = {"authorization": f"Bearer {issuer.token()}"}
            response = site.http.get("/v1/actions", headers=headers)
            assert response.status_code == 503
            assert response.headers["content-type"] == "application/problem+json"
            problem = response.json()
            assert problem["code"] == "unavailable"
            assert "issuer" in problem["remedy"]
            assert "www-authenticate" not in response.headers
            assert site.http.get("/readyz").status_code == 200
            issuer.publish()
            clock.advance(6)
            assert site.http.get("/v1/actions", headers=headers).status_code == 200
