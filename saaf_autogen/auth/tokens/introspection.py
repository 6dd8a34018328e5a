"""Opaque access tokens: their issuer is asked about them (RFC 7662)."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote_plus, urlencode

from saaf_autogen.auth.tokens.foreign import ForeignIssuer
from saaf_autogen.auth.tokens.signature import refused
from saaf_autogen.auth.tokens.verified import Verified
from saaf_autogen.clock import Clock
from saaf_autogen.egress import EgressClient
from saaf_autogen.errors import SaafError, Unauthenticated, Unavailable, Upstream
from saaf_autogen.settings import IntrospectionSettings

__all__ = ["Introspector"]

# This host's own secrets (saaf_rt_…, saaf_ac_…) are nobody else's to see, sent by mistake or not.
_TOKEN = re.compile(r"(?!saaf_)[A-Za-z0-9._~+/-]{8,4096}=*")
_NEGATIVE_S = 10.0
_NEGATIVE_SIZE = 10_000
_AT_ONCE = 16


class Introspector:
    """Asks one issuer about opaque tokens, with the credentials of this host.

    That a token is not active is remembered for ten seconds. At most 16 questions are under way;
    further ones wait.

    Args:
        issuer: whose tokens they are.
        settings: where and as whom to ask.
        secret: of ``settings.client_id``.
        egress: sends the requests.
        clock: tells how old answers are.
    """

    def __init__(
        self,
        issuer: ForeignIssuer,
        settings: IntrospectionSettings,
        secret: str,
        egress: EgressClient,
        clock: Clock,
    ) -> None:
        self.cache_s = settings.cache_s
        self._issuer = issuer
        self._settings = settings
        # RFC 6749, section 2.3.1: both parts are form-encoded before they are joined.
        pair = f"{quote_plus(settings.client_id)}:{quote_plus(secret)}"
        self._authorization = "Basic " + base64.b64encode(pair.encode()).decode()
        self._egress = egress
        self._clock = clock
        self._inactive: OrderedDict[bytes, float] = OrderedDict()
        self._at_once = asyncio.Semaphore(_AT_ONCE)

    async def verify(self, token: str) -> Verified | None:
        """The token, or None if the issuer does not know it as active.

        Raises:
            Unauthenticated: it is active and not an access token for this host.
            Forbidden: what the issuer says of it cannot be honoured here.
            Unavailable: the issuer cannot be asked now.
        """
        if not _TOKEN.fullmatch(token):
            return None
        name = hashlib.sha256(token.encode()).digest()
        until = self._inactive.get(name)
        if until is not None and self._clock.monotonic() < until:
            return None
        async with self._at_once:
            answer = await self._ask(token)
        if answer.get("active") is not True:
            self._remember_inactive(name)
            return None
        try:
            return self._issuer.accept(self._claims(answer))
        except Unauthenticated:
            self._remember_inactive(name)
            raise

    def _claims(self, answer: Mapping[str, Any]) -> dict[str, Any]:
        kind = answer.get("token_type")
        if not isinstance(kind, str) or kind.lower() not in ("bearer", "dpop"):
            # Issuers answer about refresh tokens, too.
            raise refused("The token is no access token: its issuer gives it no such type.")
        # Section 2.2 lets an answer leave out who gives it and when the token was issued.
        claims = {"iss": self._issuer.issuer, "iat": 0, **answer}
        if "sub" not in claims and "username" not in claims:
            # Nobody authorised it, so it is the client's own.
            claims["sub"] = answer.get("client_id")
        return claims

    async def _ask(self, token: str) -> dict[str, Any]:
        try:
            address = self._settings.url or await self._published()
            response = await self._egress.request(
                "POST",
                address,
                headers={
                    "authorization": self._authorization,
                    "content-type": "application/x-www-form-urlencoded",
                    "accept": "application/json",
                },
                content=urlencode({"token": token, "token_type_hint": "access_token"}).encode(),
            )
            if response.status != 200 or response.cut:
                raise Upstream(f"It answered {response.status}.")
            answer = json.loads(response.body)
            if not isinstance(answer, dict):
                raise Upstream("Its answer is not a JSON object.")
        except (SaafError, ValueError, RecursionError) as error:
            reason = error.detail if isinstance(error, SaafError) else "Its answer is not JSON."
            raise Unavailable(
                f"The issuer {self._issuer.issuer} could not be asked about the token. {reason}",
                remedy="Try again shortly; if it lasts, an admin should look at `introspection` "
                "of that issuer in saaf.yaml.",
            ) from error
        return answer

    async def _published(self) -> str:
        return (await self._issuer.provider.metadata()).endpoint("introspection_endpoint")

    def _remember_inactive(self, name: bytes) -> None:
        while len(self._inactive) >= _NEGATIVE_SIZE:
            self._inactive.popitem(last=False)
        self._inactive[name] = self._clock.monotonic() + _NEGATIVE_S
