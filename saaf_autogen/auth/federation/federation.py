"""The flow of a sign-in with another provider, as a list of steps."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from saaf_autogen.audit import AuditLog, AuditRecord
from saaf_autogen.auth.federation.attempts import Attempt, Attempts
from saaf_autogen.auth.federation.id_token import mistrusted
from saaf_autogen.auth.federation.relying_party import RelyingParty
from saaf_autogen.auth.identity.sign_in import principal_of
from saaf_autogen.auth.identity.users import UserRecord, UserStore
from saaf_autogen.auth.once import OneTimeStore
from saaf_autogen.auth.principal import Principal
from saaf_autogen.clock import Clock
from saaf_autogen.crypto import Sealer
from saaf_autogen.egress import EgressClient
from saaf_autogen.errors import (
    ConfigurationError,
    Conflict,
    Forbidden,
    InvalidArguments,
    NotFound,
    SaafError,
    Unauthenticated,
    Unavailable,
)
from saaf_autogen.settings import ProviderSettings

__all__ = ["Federation", "FinishedSignIn", "ProviderChoice"]

_ERROR_CODE = re.compile(r"[a-z_]{1,60}")
_MAX_QUERY = 8_192


@dataclass(frozen=True, slots=True)
class ProviderChoice:
    """A provider as the sign-in page offers it."""

    id: str
    title: str


@dataclass(frozen=True, slots=True)
class FinishedSignIn:
    """Who signed in, and where the browser wanted to go.

    Attributes:
        user: provisioned and active.
        return_to: what ``begin`` was given.
        amr: how the provider says that they proved who they are (RFC 8176), for the session;
            ends with ``fed``.
        auth_time: when they did, in seconds since 1970, if the provider says so.
    """

    user: UserRecord
    return_to: str
    amr: tuple[str, ...]
    auth_time: int | None = None


class Federation:
    """Signs people in with the providers of ``sign_in.providers``.

    People are known by (issuer, ``sub``) alone; an e-mail address never makes two accounts one.
    Groups, attributes and tenant are as the provider says at each sign-in.

    Args:
        providers: of ``saaf.yaml``.
        url: the public address of this host.
        users: where people are kept.
        audit: where each answer to a sign-in that was begun is recorded.
        once: where attempts are kept.
        sealer: seals their PKCE verifiers.
        scopes: the scopes that this host knows.
        egress: sends the requests.
        clock: tells the time.
        environ: where the secrets of clients are.

    Raises:
        ConfigurationError: such a secret is missing.
    """

    def __init__(
        self,
        providers: Sequence[ProviderSettings],
        *,
        url: str,
        users: UserStore,
        audit: AuditLog,
        once: OneTimeStore,
        sealer: Sealer,
        scopes: Container[str],
        egress: EgressClient,
        clock: Clock,
        environ: Mapping[str, str],
    ) -> None:
        self._url = url
        self._users = users
        self._audit = audit
        self._clock = clock
        self._scopes = scopes
        self._attempts = Attempts(once, sealer, clock)
        self._parties = {
            settings.id: RelyingParty(
                settings,
                redirect_uri=self.redirect_uri(settings.id),
                secret=_secret(settings, environ),
                egress=egress,
                clock=clock,
            )
            for settings in providers
        }

    def choices(self) -> tuple[ProviderChoice, ...]:
        """The providers, in the order of ``saaf.yaml``; empty if there are none."""
        return tuple(
            ProviderChoice(name, party.settings.title) for name, party in self._parties.items()
        )

    def redirect_uri(self, provider_id: str) -> str:
        """Where a provider sends the browser back to: ``{url}/sign-in/with/{id}/callback``.

        Each provider has its own, so that the answer of one is never taken for another's.
        """
        return f"{self._url}/sign-in/with/{provider_id}/callback"

    async def begin(
        self, provider_id: str, return_to: str, browser: str, *, again: bool = False
    ) -> str:
        """The address at the provider that the browser is to be sent to.

        Args:
            provider_id: of ``choices``.
            return_to: a path here, given back by ``finish``.
            browser: a random secret that only this browser holds (a cookie, SameSite=Lax).
            again: the provider has to ask the person anew, whatever session it has with them.

        Raises:
            NotFound: there is no such provider.
            Unavailable: the provider cannot be asked now.
        """
        party = self._party(provider_id)
        state, nonce, verifier = await asyncio.to_thread(
            self._attempts.begin, provider_id, browser=browser, return_to=return_to
        )
        return await party.authorization_url(
            state=state, nonce=nonce, verifier=verifier, again=again
        )

    async def finish(
        self, provider_id: str, query: str, browser: str, *, address: str = ""
    ) -> FinishedSignIn:
        """Who signed in, by the query string with which the provider sent the browser back.

        Args:
            provider_id: of the path on which the browser came back.
            query: raw, without the question mark.
            browser: the same secret as at ``begin``.
            address: of the browser, for the audit.

        Raises:
            NotFound: there is no such provider.
            Unauthenticated: the answer cannot be trusted, or the provider did not sign them in.
            Forbidden: it did, and this person may not come in here.
            Unavailable: the provider cannot be asked now.
        """
        party = self._party(provider_id)
        answer = _read(query)
        attempt = await asyncio.to_thread(
            self._attempts.take, provider_id, answer.get("state", ""), browser=browser
        )
        if attempt is None:
            raise Unauthenticated(
                "This sign-in was not begun in this browser, is over, or took too long.",
                remedy="Sign in again.",
            )
        self._audit.require_room()
        try:
            claims = await self._claims(party, answer, attempt)
            user = await self._provision(party, claims)
        except (Unauthenticated, Forbidden) as error:
            self._audit.note(self._record(None, party, address, error.detail))
            raise
        await self._audit.write(self._record(user, party, address, "The provider vouches for it."))
        return FinishedSignIn(
            user, attempt.return_to, _methods(claims.get("amr")), _time(claims.get("auth_time"))
        )

    async def _claims(
        self, party: RelyingParty, answer: Mapping[str, str], attempt: Attempt
    ) -> Mapping[str, Any]:
        await party.check_sender(answer.get("iss"))
        if "error" in answer:
            code = answer["error"] if _ERROR_CODE.fullmatch(answer["error"]) else "an error"
            raise Unauthenticated(
                f"{party.settings.title} did not sign you in: {code}.", remedy="Sign in again."
            )
        if not answer.get("code"):
            raise mistrusted("it holds no code")
        try:
            return await party.claims_for(answer["code"], attempt)
        except (Unauthenticated, Unavailable):
            raise
        except SaafError as error:
            raise Unavailable(
                f"{party.settings.title} cannot be asked now. {error.detail}", remedy=error.remedy
            ) from error

    async def _provision(self, party: RelyingParty, claims: Mapping[str, Any]) -> UserRecord:
        settings = party.settings
        subject = party.map.subject(claims)
        if subject is None:
            raise mistrusted("it names no usable subject")
        name, email = party.map.shown(claims)
        scopes = {*settings.user_scopes, *party.map.scopes(claims, self._scopes)}
        try:
            user = await asyncio.to_thread(
                self._users.provision,
                settings.issuer,
                subject,
                tenant=party.map.tenant(claims),
                name=name,
                email=email,
                email_verified=claims.get("email_verified") is True,
                groups=sorted(party.map.groups(claims)),
                attributes=party.map.attributes(claims),
                scopes=sorted(scopes),
            )
        except (Conflict, InvalidArguments) as error:
            raise Forbidden(
                f"You cannot be signed in here. {error.detail}",
                remedy="An admin can say what to do.",
            ) from error
        if not user.active:
            raise Forbidden(
                "Your account here is disabled.", remedy="An admin can enable it again."
            )
        return user

    def _record(
        self, user: UserRecord | None, party: RelyingParty, address: str, reason: str
    ) -> AuditRecord:
        stranger = Principal(
            issuer=self._url, tenant=party.settings.tenant, subject="nobody", kind="user"
        )
        provider = f"provider:{party.settings.id}"
        return AuditRecord.by(
            principal_of(user, self._url) if user else stranger,
            action="sign_in",
            door="page",
            at=self._clock.now(),
            decision="allowed" if user else "denied",
            reason=reason,
            resources=(f"user:{user.id}", provider) if user else (provider,),
            address=address[:64],
        )

    def _party(self, provider_id: str) -> RelyingParty:
        party = self._parties.get(provider_id)
        if party is None:
            raise NotFound("There is no such provider to sign in with.")
        return party


def _secret(settings: ProviderSettings, environ: Mapping[str, str]) -> str | None:
    if settings.client_secret_env is None:
        return None
    secret = environ.get(settings.client_secret_env)
    if not secret:
        raise ConfigurationError(
            f"{settings.client_secret_env} is not set.",
            remedy=f"It holds the client secret for signing in with {settings.id}.",
        )
    return secret


def _read(query: str) -> dict[str, str]:
    """The parameters of the answer; one that comes twice could mean two things."""
    try:
        pairs = parse_qsl(query[: _MAX_QUERY + 1], keep_blank_values=True, errors="strict")
    except (ValueError, UnicodeError) as error:
        raise mistrusted("it cannot be read") from error
    answer = dict(pairs)
    if len(query) > _MAX_QUERY or len(answer) != len(pairs):
        raise mistrusted("it is too long, or says something twice")
    return answer


def _methods(value: object) -> tuple[str, ...]:
    listed = value[:8] if isinstance(value, list) else []
    said = [item for item in listed if isinstance(item, str) and 0 < len(item) <= 32]
    return (*dict.fromkeys(item for item in said if item.isprintable() and item != "fed"), "fed")


def _time(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 1 << 40:
        return None
    return value
