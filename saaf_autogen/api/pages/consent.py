"""What a client asks of a user, in the words of the page that asks the user."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from saaf_autogen.api.pages.fields import Fields
from saaf_autogen.api.pages.text import clip
from saaf_autogen.api.pages.visit import Visit
from saaf_autogen.api.pages.words import scope_words
from saaf_autogen.auth.clients import ClientRecord
from saaf_autogen.auth.identity.records import UserRecord
from saaf_autogen.auth.principal import Principal
from saaf_autogen.auth.server.authorization.request import AuthorizationRequest
from saaf_autogen.auth.wording import grants_in_words

__all__ = ["Choice", "Consent", "approved_scopes", "consent_of", "data_in_words"]

_REQUIRED = frozenset({"openid"})
_FIELD = "scope."


@dataclass(frozen=True)
class Caution:
    """What to think of before allowing it."""

    title: str
    text: str


@dataclass(frozen=True)
class Choice:
    """A scope that is asked for."""

    name: str
    words: str
    required: bool
    chosen: bool


@dataclass(frozen=True)
class Consent:
    """What the consent page shows.

    Attributes:
        title: what the client calls itself.
        known_by: what is known of it by others than itself, or "".
        destination: where the answer goes, or "" for a device.
        choices: the scopes that the user can give.
        withheld: scopes that it asks for and the user does not have.
        data: what it could reach with them.
        narrowed: whether it asked for a part of the data alone (RFC 9396).
    """

    title: str
    known_by: str
    destination: str
    warning: Caution | None
    choices: Sequence[Choice]
    withheld: Sequence[str]
    data: Sequence[str]
    narrowed: bool
    touches_data: bool


def consent_of(
    visit: Visit,
    user: UserRecord,
    client: ClientRecord,
    *,
    asked: Collection[str],
    grantable: Sequence[str],
    details: Sequence[Mapping[str, Any]] | None,
    request: AuthorizationRequest | None = None,
    chosen: Collection[str] | None = None,
) -> Consent:
    """What a client asks for, in words.

    Args:
        visit: of the user.
        user: who is asked.
        client: who asks.
        asked: the scopes that it wants.
        grantable: those of them that the user can give.
        details: RFC 9396 details, or None.
        request: where it came by the browser; None for a device.
        chosen: the scopes that are ticked; None means all.
    """
    registry = visit.pages.deployment.scopes
    words = scope_words(grantable, registry)
    return Consent(
        title=clip(client.title or client.id),
        known_by=_known_by(client),
        destination=clip(request.redirect_host, 80) if request else "",
        warning=_warning(client, request),
        choices=[
            Choice(
                name=scope.name,
                words=scope.words,
                required=scope.name in _REQUIRED,
                chosen=chosen is None or scope.name in chosen,
            )
            for scope in words
        ],
        withheld=[name for name in asked if name not in grantable],
        data=data_in_words(visit, user, client, grantable, details),
        narrowed=details is not None,
        touches_data=any(not _about_the_person(name) for name in grantable),
    )


def approved_scopes(fields: Fields, grantable: Sequence[str]) -> tuple[str, ...]:
    """The scopes that were ticked, and those that cannot be left out."""
    return tuple(
        name for name in grantable if name in _REQUIRED or fields.text(_FIELD + name) == "on"
    )


def _known_by(client: ClientRecord) -> str:
    if client.origin == "document":
        return f"Described by {urlsplit(client.id).hostname or client.id}"
    if client.origin == "registered":
        return "Registered itself; nobody here has looked at it"
    return f"Known here as {client.id}" if client.title else ""


def _warning(client: ClientRecord, request: AuthorizationRequest | None) -> Caution | None:
    if request is None:
        return None
    if request.goes_to_this_machine:
        return Caution(
            "The answer goes to a program on this computer.",
            "Go on only if you have just started that program yourself.",
        )
    if client.origin == "registered":
        return Caution(
            "This application registered itself.",
            "Its name is its own claim. Go on only if you trust the address above.",
        )
    return None


def _about_the_person(scope: str) -> bool:
    return scope in {"openid", "profile", "email", "offline_access"}


def data_in_words(
    visit: Visit,
    user: UserRecord,
    client: ClientRecord,
    scopes: Collection[str],
    details: Sequence[Mapping[str, Any]] | None,
) -> list[str]:
    """A sentence for each part of the data that a client could reach as the user."""
    pages = visit.pages
    principal = Principal(
        issuer=pages.identity.issuer.url,
        tenant=user.tenant,
        subject=user.id,
        kind="user",
        client_id=client.id,
        groups=frozenset(user.groups),
        attributes=dict(user.attributes),
        scopes=frozenset(scopes),
        token_grants=None if details is None else tuple(dict(item) for item in details),
    )
    tables = pages.deployment.catalog.facts.values()
    return [clip(line, 400) for line in grants_in_words(pages.identity.policy, principal, tables)]
