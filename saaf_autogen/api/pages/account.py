"""The account's page: who I am here, what I may do, and what acts for me."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response

from saaf_autogen.api.pages.consent import data_in_words
from saaf_autogen.api.pages.faults import FieldFault
from saaf_autogen.api.pages.invitations import new_password, placed
from saaf_autogen.api.pages.text import clip
from saaf_autogen.api.pages.visit import Visit
from saaf_autogen.api.pages.words import browser_words, scope_words
from saaf_autogen.auth.identity.password_rules import MIN_LENGTH
from saaf_autogen.auth.identity.records import LOCAL, UserRecord
from saaf_autogen.errors import InvalidArguments, RateLimited, SaafError, Unauthenticated

__all__ = ["change_password", "disconnect", "end_session", "show_account", "show_front"]

_DONE = {
    "disconnected": "The application is disconnected.",
    "ended": "The session has ended.",
    "password": "The password is changed. Other browsers are signed out.",
    "passkey-added": "The passkey is added.",
    "passkey-removed": "The passkey is removed.",
}


@dataclass(frozen=True)
class _Application:
    client_id: str
    title: str
    used_at: datetime | None
    may: Sequence[str]
    data: Sequence[str]


@dataclass(frozen=True)
class _Session:
    id: str
    browser: str
    address: str
    since: datetime
    seen: datetime
    current: bool


def show_front(visit: Visit) -> Response:
    """GET /: whoever types the host's address is a person, and their page is the account."""
    return visit.go("/account")


def show_account(visit: Visit) -> Response:
    """GET /account."""
    return account_page(visit)


def disconnect(visit: Visit) -> Response:
    """POST /account/disconnect: an application loses its tokens, and has to ask again."""
    _, user = visit.signed_in()
    client_id = visit.fields.text("client_id")
    identity = visit.pages.identity
    visit.record("consent.withdraw", f"client:{client_id[:200]}")
    identity.families.revoke_all(
        "user took it back", user_id=user.id, client_id=client_id, tenant=user.tenant
    )
    identity.consents.forget(user, client_id)
    return visit.go("/account", done="disconnected")


def end_session(visit: Visit) -> Response:
    """POST /account/sessions/end: another browser is signed out."""
    _, user = visit.signed_in()
    session_id = visit.fields.text("session")
    visit.record("session.end", f"session:{session_id[:64]}")
    visit.pages.people.sessions.end(session_id, tenant=user.tenant, user_id=user.id)
    visit.pages.identity.families.end_session(session_id, user=user)
    return visit.go("/account", done="ended")


async def change_password(visit: Visit) -> Response:
    """POST /account/password: the one that counts now has to be known."""
    _, user = visit.signed_in()
    try:
        user = await visit.pages.people.sign_in.change_password(
            user, visit.fields.text("current"), new_password(visit) or "", visit.address
        )
    except Unauthenticated:
        fault = FieldFault("current", "This is not the password.")
        return await run_in_threadpool(account_page, visit, fault)
    except (InvalidArguments, RateLimited) as error:
        return await run_in_threadpool(account_page, visit, placed(error))
    return await run_in_threadpool(_changed, visit, user)


def account_page(visit: Visit, error: SaafError | None = None) -> Response:
    """The page, with what went wrong."""
    session, user = visit.signed_in()
    pages = visit.pages
    sessions = pages.people.sessions.list(tenant=user.tenant, user_id=user.id)
    done = visit.fields.text("done") if visit.request.method == "GET" else ""
    return visit.page(
        "account.html",
        script=pages.settings.sign_in.passkeys,
        error=error,
        done=_DONE.get(done, ""),
        provider="" if user.issuer == LOCAL else user.issuer,
        applications=_applications(visit, user),
        scopes=scope_words(user.scopes, pages.deployment.scopes),
        sessions=[
            _Session(
                id=each.id,
                browser=browser_words(each.user_agent),
                address=each.address,
                since=each.authenticated_at,
                seen=each.seen_at,
                current=each.id == session.id,
            )
            for each in sorted(sessions, key=lambda each: (each.id != session.id, each.seen_at))
        ],
        passkeys_on=pages.settings.sign_in.passkeys and user.issuer == LOCAL,
        passkeys=pages.people.passkeys.list(user) if pages.settings.sign_in.passkeys else [],
        shortest=MIN_LENGTH,
    )


def _changed(visit: Visit, user: UserRecord) -> Response:
    # All sessions ended with the old password, this one too.
    visit.begin_session(user, amr=("pwd",))
    return visit.go("/account", done="password")


def _applications(visit: Visit, user: UserRecord) -> list[_Application]:
    identity = visit.pages.identity
    registry = visit.pages.deployment.scopes
    scopes: dict[str, set[str]] = {}
    used: dict[str, datetime] = {}
    for consent in identity.consents.list(user):
        scopes.setdefault(consent.client_id, set()).update(consent.scopes)
    for family in identity.families.list(user.tenant, user_id=user.id):
        scopes.setdefault(family.client_id, set()).update(family.order.scopes)
        used[family.client_id] = max(family.used_at, used.get(family.client_id, family.used_at))
    found = []
    for client_id, names in sorted(scopes.items()):
        client = identity.directory.find(client_id)
        found.append(
            _Application(
                client_id=client_id,
                title=clip((client.title if client else "") or client_id),
                used_at=used.get(client_id),
                may=[scope.words for scope in scope_words(names, registry)],
                data=data_in_words(visit, user, client, tuple(names), None) if client else [],
            )
        )
    return found
