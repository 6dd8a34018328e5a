"""A user who approves, and clients that redeem: what the tests of the token endpoint share."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import time
from dataclasses import dataclass
from typing import Any

import httpx
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

from saaf_autogen.auth.identity.users import UserRecord
from saaf_autogen.auth.server.approval import ApprovedOrder
from tests.site import Site

CODE = "authorization_code"
REFRESH = "refresh_token"
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TYPE = "urn:ietf:params:oauth:token-type:access_token"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
CALLBACK = "https://app.example/callback"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode()[:-1]
SCOPES = ("warehouse:query", "semantic:read")
_numbers = itertools.count()


def claims_of(token: str) -> dict[str, Any]:
    """The claims of a JWT, unverified."""
    part = token.split(".")[1]
    decoded: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return decoded


def refused(response: httpx.Response, error: str, status: int = 400) -> None:
    """It is an error of RFC 6749's format, and not to be stored."""
    assert response.status_code == status, response.text
    assert response.json()["error"] == error
    assert response.headers["cache-control"] == "no-store"
    assert set(response.json()) <= {"error", "error_description"}


@dataclass
class Flows:
    """One host, and shortcuts to its flows."""

    site: Site

    def user(self, **more: Any) -> UserRecord:
        """A new user of the default tenant, with ``SCOPES``."""
        given = {"scopes": SCOPES, "groups": (), **more}
        return self.site.identity.users.add(f"user{next(_numbers)}", **given)

    def code(self, user: UserRecord, client: str = "web", **order: Any) -> str:
        """A code, as the authorization endpoint gives one for an approval."""
        identity = self.site.identity
        found = identity.directory.find(client)
        assert found is not None
        given: dict[str, Any] = {"scopes": SCOPES, "audience": (self.site.url,), **order}
        return identity.codes.issue(
            client=found,
            user=user,
            redirect_uri=CALLBACK,
            code_challenge=CHALLENGE,
            order=ApprovedOrder(**given),
        )

    def post(self, client: str = "web", path: str = "token", **form: Any) -> httpx.Response:
        """A request, authenticated as the client is registered; None leaves a parameter out."""
        headers = {"DPoP": form.pop("proof")} if "proof" in form else {}
        data = {name: value for name, value in form.items() if value is not None}
        record = self.site.identity.directory.find(client)
        assert record is not None
        if record.authentication == "none":
            return self.site.http.post(
                f"/oauth/{path}", data={"client_id": client, **data}, headers=headers
            )
        auth = (client, self.site.secret(client))
        return self.site.http.post(f"/oauth/{path}", auth=auth, data=data, headers=headers)

    def redeem(self, code: str, client: str = "web", **form: Any) -> httpx.Response:
        """Redeem a code rightly, but for what is given."""
        given = {"code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER, **form}
        return self.post(client, grant_type=CODE, **given)

    def tokens(
        self, user: UserRecord | None = None, client: str = "web", **order: Any
    ) -> dict[str, Any]:
        """The tokens of a fresh approval."""
        proof = {"proof": order.pop("proof")} if "proof" in order else {}
        response = self.redeem(self.code(user or self.user(), client, **order), client, **proof)
        assert response.status_code == 200, response.text
        body: dict[str, Any] = response.json()
        return body

    def refresh(self, token: str, client: str = "web", **form: Any) -> httpx.Response:
        """A refresh."""
        return self.post(client, grant_type=REFRESH, refresh_token=token, **form)

    def exchange(self, token: str, client: str = "agent", **form: Any) -> httpx.Response:
        """An exchange of an access token."""
        given = {"subject_token": token, "subject_token_type": ACCESS_TYPE, **form}
        return self.post(client, grant_type=EXCHANGE, **given)

    def active(self, token: str) -> bool:
        """Whether the token counts on the resource server, by a call that needs it alone."""
        headers = {"Authorization": f"Bearer {token}"}
        status = self.site.http.get("/v1/actions", headers=headers).status_code
        assert status in (200, 401)
        return status == 200

    def verified(self, token: str, algorithm: str = "ES256") -> dict[str, Any]:
        """The claims of a token that the published keys verify."""
        keys = KeySet.import_key_set(self.site.http.get("/oauth/jwks").json())
        return dict(jwt.decode(token, keys, algorithms=[algorithm]).claims)

    def proof(self, key: ECKey, path: str = "token", **claims: Any) -> str:
        """A DPoP proof for a POST to an endpoint of the authorization server."""
        body = {
            "htm": "POST",
            "htu": f"{self.site.url}/oauth/{path}",
            "iat": int(self.site.clock.now().timestamp()),
            "jti": f"proof-{time.perf_counter_ns()}",
            **claims,
        }
        public = {name: key.as_dict(private=False)[name] for name in ("kty", "crv", "x", "y")}
        header = {"alg": "ES256", "typ": "dpop+jwt", "jwk": public}
        return jwt.encode(header, body, key, algorithms=["ES256"])
