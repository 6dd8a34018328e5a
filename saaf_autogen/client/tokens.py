"""Access tokens of a host, as one caller holds them: in memory, and renewed before they expire."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import httpx

from saaf_autogen.clock import Clock, SystemClock
from saaf_autogen.errors import Forbidden, TimedOut, Unauthenticated, Unavailable

__all__ = ["HostTokens"]

_RENEW_BEFORE_S = 30
_CLI_CLIENT = "saaf-cli"
_DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_SLOWER_S = 5


class HostTokens:
    """One caller's tokens. They are asked for when they are needed, and never written anywhere.

    Args:
        http: sends requests to the host.
        token: an access token, which then is never renewed; or
        client_id, client_secret: client credentials; or neither, until ``sign_in``.
        clock: tells when a token is about to expire.
        sleep: waits between two looks for a person's answer, in seconds.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        *,
        token: str | None = None,
        client_id: str | None = None,
        client_secret: str | None = None,
        clock: Clock | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._http = http
        self._clock = clock or SystemClock()
        self._sleep = sleep
        self._token = token
        self._expires = float("inf") if token else 0.0
        self._credentials = (client_id, client_secret) if client_id and client_secret else None
        self._client_id = _CLI_CLIENT
        self._refresh_token: str | None = None
        self._renewing = asyncio.Lock()

    async def current(self) -> str:
        """An access token that is good for a while yet.

        Raises:
            Unauthenticated: there is none, and no way to get one.
            Unavailable: the host cannot be reached.
        """
        async with self._renewing:
            if self._clock.monotonic() > self._expires - _RENEW_BEFORE_S:
                await self._renew()
        if not self._token:
            raise Unauthenticated(
                "The host asks for a token.",
                remedy="Call login(), or pass token=…, or client_id=… and client_secret=….",
            )
        return self._token

    async def sign_in(
        self, scopes: Sequence[str], tell: Callable[[str], object], *, client_id: str = _CLI_CLIENT
    ) -> None:
        """Have a person sign in with any browser (RFC 8628), and wait for it.

        Args:
            scopes: what is asked for; empty: all that the person may have.
            tell: is given what to show to the person.
            client_id: a public client of the host that may use device codes.

        Raises:
            Forbidden: the person said no.
            TimedOut: nobody answered while the code was good.
            Unauthenticated: the host does not let people sign in this way.
            Unavailable: the host cannot be reached.
        """
        form = {"client_id": client_id, **({"scope": " ".join(scopes)} if scopes else {})}
        asked = await self._post("/oauth/device_authorization", form)
        if "device_code" not in asked:
            raise _no_sign_in(asked)
        address = asked.get("verification_uri_complete") or asked["verification_uri"]
        tell(f"To sign in, open {address} and check that it shows {asked['user_code']}.")
        self._client_id = client_id
        self._keep(await self._wait(client_id, asked))

    async def _wait(self, client_id: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        pause = float(asked.get("interval", 5))
        form = {
            "grant_type": _DEVICE_GRANT,
            "client_id": client_id,
            "device_code": asked["device_code"],
        }
        while True:
            await self._sleep(pause)
            answer = await self._post("/oauth/token", form)
            match answer.get("error"):
                case None:
                    return answer
                case "authorization_pending" | "temporarily_unavailable":
                    pass
                case "slow_down":
                    pause += _SLOWER_S
                case "access_denied":
                    raise Forbidden("The person who was asked to sign in said no.")
                case "expired_token":
                    raise TimedOut("Nobody signed in in time.", remedy="Call login() again.")
                case _:
                    raise _no_sign_in(answer)

    async def _renew(self) -> None:
        if self._credentials is not None:
            form, remedy = (
                {"grant_type": "client_credentials"},
                "Check client_id and client_secret.",
            )
            auth = httpx.BasicAuth(*self._credentials)
            answer = await self._post("/oauth/token", form, auth)
        elif self._refresh_token is not None:
            form = {
                "grant_type": "refresh_token",
                "client_id": self._client_id,
                "refresh_token": self._refresh_token,
            }
            answer, remedy = await self._post("/oauth/token", form), "Call login() again."
        else:
            return
        if "access_token" not in answer:
            self._token = self._token if self._credentials else None
            raise Unauthenticated(f"The host gave no token: {answer.get('error')}.", remedy=remedy)
        self._keep(answer)

    def _keep(self, answer: Mapping[str, Any]) -> None:
        self._token = answer["access_token"]
        self._refresh_token = answer.get("refresh_token", self._refresh_token)
        self._expires = self._clock.monotonic() + float(answer.get("expires_in", 60))

    async def _post(
        self, path: str, form: Mapping[str, str], auth: httpx.BasicAuth | None = None
    ) -> dict[str, Any]:
        """What the host answers, be it yes or no."""
        try:
            response = await self._http.post(path, data=dict(form), auth=auth or httpx.Auth())
            answer = response.json()
        except httpx.TransportError as error:
            raise Unavailable(
                f"The host at {self._http.base_url} cannot be reached.",
                remedy="Is it running? `saaf serve` starts one.",
            ) from error
        except ValueError:
            answer = None
        if not isinstance(answer, dict) or (response.is_error and "error" not in answer):
            return {"error": f"status {response.status_code}"}
        return answer


def _no_sign_in(answer: Mapping[str, Any]) -> Unauthenticated:
    return Unauthenticated(
        f"The host does not let people sign in this way: {answer.get('error')}.",
        remedy="Ask whoever runs it whether oauth.cli_client is switched on; or pass token=….",
    )
