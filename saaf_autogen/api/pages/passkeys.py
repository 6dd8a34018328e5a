"""Passkeys on pages: signing in with one, adding one, removing one."""

from __future__ import annotations

from starlette.responses import Response

from saaf_autogen.api.pages.account import account_page
from saaf_autogen.api.pages.sign_in import next_page, sign_in_page
from saaf_autogen.api.pages.visit import Visit
from saaf_autogen.auth.identity.passkeys import PASSKEY_AMR
from saaf_autogen.auth.identity.records import UserRecord
from saaf_autogen.errors import Conflict, InvalidArguments, Unauthenticated

__all__ = ["add_options", "add_passkey", "remove_passkey", "sign_in_options", "use_passkey"]


def sign_in_options(visit: Visit) -> Response:
    """POST /sign-in/passkey/options: what the browser is asked; any passkey of this host will do.

    The challenge is bound to this browser: an answer that another one was given is of no use here.
    """
    return visit.data(visit.pages.people.passkeys.sign_in_options(binding=visit.browser))


def use_passkey(visit: Visit) -> Response:
    """POST /sign-in/passkey: what the browser answered."""
    back = next_page(visit)
    try:
        user = visit.pages.people.passkeys.sign_in(
            visit.fields.text("credential"), binding=visit.browser, address=visit.address
        )
    except Unauthenticated as error:
        return sign_in_page(visit, back, error=error)
    visit.begin_session(user, amr=PASSKEY_AMR)
    return visit.leave(back)


def add_options(visit: Visit) -> Response:
    """POST /account/passkeys/options: what the browser is asked to make."""
    user = _who_may_add(visit)
    return visit.data(visit.pages.people.passkeys.add_options(user, binding=visit.browser))


def add_passkey(visit: Visit) -> Response:
    """POST /account/passkeys: what the browser made."""
    try:
        user = _who_may_add(visit)
        visit.pages.people.passkeys.add(
            user,
            visit.fields.text("credential"),
            binding=visit.browser,
            title=visit.fields.text("title"),
            address=visit.address,
        )
    except (InvalidArguments, Conflict) as error:
        return account_page(visit, error)
    return visit.go("/account", done="passkey-added")


def remove_passkey(visit: Visit) -> Response:
    """POST /account/passkeys/remove."""
    _, user = visit.signed_in()
    visit.pages.people.passkeys.remove(user, visit.fields.text("passkey"), address=visit.address)
    return visit.go("/account", done="passkey-removed")


def _who_may_add(visit: Visit) -> UserRecord:
    """The user, who signed in of late: who finds a browser open adds no key to somebody's house.

    Raises:
        Conflict: they must sign in again.
    """
    _, user = visit.signed_in()
    if not visit.is_fresh:
        raise Conflict("You signed in a while ago.", remedy="Sign in again to add a passkey.")
    return user
