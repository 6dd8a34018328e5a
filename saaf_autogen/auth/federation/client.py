"""Authlib's client over this host's rules of egress."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import quote_plus

import httpx2
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client

from saaf_autogen.egress import EgressClient
from saaf_autogen.errors import Unauthenticated, Unavailable

__all__ = ["EgressBridge", "authorization_url", "redeem"]


class EgressBridge(httpx2.AsyncBaseTransport):
    """Sends what an httpx2 client asks for by the egress client, which checks and caps it."""

    def __init__(self, egress: EgressClient) -> None:
        self._egress = egress

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send one request; raises ``SaafError`` for what is refused or failed."""
        headers = {name: value for name, value in request.headers.items() if name in _SENT}
        answer = await self._egress.request(
            request.method, str(request.url), headers=headers, content=await request.aread()
        )
        # Of the headers only this one: an encoding would unfold the body past its cap.
        kind = answer.headers.get("content-type", "")
        return httpx2.Response(answer.status, headers={"content-type": kind}, content=answer.body)


_SENT = frozenset({"accept", "authorization", "content-type", "user-agent"})


def authorization_url(
    address: str,
    *,
    client_id: str,
    redirect_uri: str,
    scope: str,
    state: str,
    nonce: str,
    code_verifier: str,
    again: bool = False,
) -> str:
    """Where to send the browser, with state, nonce and a PKCE challenge (S256)."""
    client = AsyncOAuth2Client(
        client_id=client_id,
        redirect_uri=redirect_uri,
        scope=scope,
        code_challenge_method="S256",
        trust_env=False,
    )
    more = {"prompt": "login"} if again else {}
    url, _ = client.create_authorization_url(
        address, state=state, nonce=nonce, code_verifier=code_verifier, **more
    )
    return str(url)


async def redeem(
    address: str,
    egress: EgressClient,
    *,
    client_id: str,
    client_secret: str | None,
    method: str,
    redirect_uri: str,
    code: str,
    code_verifier: str,
) -> dict[str, Any]:
    """What the token endpoint gives for a code.

    Raises:
        Unauthenticated: it does not take the code.
        Unavailable: it cannot be asked, or does not take this host as a client.
    """
    async with AsyncOAuth2Client(
        client_id=client_id,
        client_secret=client_secret,
        token_endpoint_auth_method=method,
        redirect_uri=redirect_uri,
        transport=EgressBridge(egress),
        follow_redirects=False,
        trust_env=False,
    ) as client:
        client.register_client_auth_method(("client_secret_basic", _basic))
        client.register_compliance_hook("access_token_response", _no_redirect)
        try:
            answer = await client.fetch_token(
                address, grant_type="authorization_code", code=code, code_verifier=code_verifier
            )
        except OAuthError as error:
            if error.error == "invalid_grant":
                raise Unauthenticated(
                    "The provider did not take back the code that it gave.",
                    remedy="Sign in again.",
                ) from error
            raise Unavailable(
                "The provider does not take this host as its client.",
                remedy="An admin should look at client_id, its secret and the redirect URI.",
            ) from error
        except (httpx2.HTTPError, ValueError) as error:
            raise Unavailable(
                "The provider's token endpoint gave no usable answer.", remedy="Try again shortly."
            ) from error
    return dict(answer)


def _no_redirect(response: httpx2.Response) -> httpx2.Response:
    # Authlib takes any JSON object below 500 for the endpoint's answer.
    if response.is_redirect:
        raise httpx2.HTTPError("redirected")
    return response


def _basic(
    client: Any, _method: str, uri: str, headers: dict[str, str], body: str
) -> tuple[str, dict[str, str], str]:
    # Authlib leaves out the form encoding of RFC 6749, section 2.3.1.
    pair = f"{quote_plus(client.client_id)}:{quote_plus(client.client_secret)}"
    headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
    return uri, headers, body
