"""One-time links: the first admin makes their account, an invited user chooses a password."""

from __future__ import annotations

from typing import Any

from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response

from saaf_autogen.api.pages.faults import FieldFault
from saaf_autogen.api.pages.visit import Visit
from saaf_autogen.auth.identity.password_rules import MIN_LENGTH
from saaf_autogen.auth.identity.records import UserRecord
from saaf_autogen.errors import Conflict, InvalidArguments, NotFound, RateLimited, SaafError

__all__ = [
    "make_first_admin",
    "new_password",
    "placed",
    "set_password",
    "show_invitation",
    "show_setup",
]


def show_setup(visit: Visit) -> Response:
    """GET /setup: where the first admin makes their account, with the token that was printed."""
    if not visit.pages.people.invitations.lacks_admin():
        remedy = "Sign in, or ask an admin for an account."
        return visit.pages.refusal(
            NotFound("This host has an admin already.", remedy=remedy),
            heading="There is an admin already",
        )
    return _setup_page(visit)


async def make_first_admin(visit: Visit) -> Response:
    """POST /setup."""
    fields = visit.fields
    try:
        user = await visit.pages.people.invitations.redeem_first_admin(
            fields.text("token").strip(),
            username=fields.text("username"),
            name=fields.text("name"),
            password=new_password(visit),
            address=visit.address,
        )
    except NotFound as error:
        fault = FieldFault("token", f"{error.detail} Start the host again for a new one.")
        return await run_in_threadpool(_setup_page, visit, fault)
    except (InvalidArguments, Conflict, RateLimited) as error:
        return await run_in_threadpool(_setup_page, visit, placed(error))
    return await run_in_threadpool(_welcome, visit, user)


def show_invitation(visit: Visit) -> Response:
    """GET /invitation: where an invited user chooses a password; a new one after the first."""
    return _invitation_page(visit)


async def set_password(visit: Visit) -> Response:
    """POST /invitation."""
    try:
        user = await visit.pages.people.invitations.redeem(
            visit.fields.text("token"), password=new_password(visit), address=visit.address
        )
    except (InvalidArguments, RateLimited) as error:
        return await run_in_threadpool(_invitation_page, visit, placed(error))
    return await run_in_threadpool(_welcome, visit, user)


def new_password(visit: Visit) -> str | None:
    """The password that was chosen, typed twice; None where the host takes none.

    Raises:
        FieldFault: the second one is another.
    """
    if not visit.pages.settings.sign_in.password:
        return None
    password = visit.fields.text("password")
    if password != visit.fields.text("again"):
        raise FieldFault("again", "The two passwords are not the same.")
    return password


def _welcome(visit: Visit, user: UserRecord) -> Response:
    amr = ("pwd",) if user.has_password else ("otp",)
    visit.begin_session(user, amr=amr)
    return visit.go("/account")


def _setup_page(visit: Visit, error: SaafError | None = None) -> Response:
    fields = visit.fields
    return _page(
        visit,
        error,
        heading="Set up the first admin",
        lead="This makes the account that manages users, groups and grants.",
        path="/setup",
        button="Make the account",
        ask_token=True,
        ask_name=True,
        token=fields.text("token")[:200],
        username=fields.text("username")[:120],
        name=fields.text("name")[:200],
    )


def _invitation_page(visit: Visit, error: SaafError | None = None) -> Response:
    token = visit.fields.text("token")
    found = visit.pages.people.invitations.find(token)
    if found is None or found.user is None:
        return visit.pages.refusal(
            NotFound(
                "This link was used already, or it has expired.",
                remedy="Ask an admin for a new one.",
            ),
            heading="This link does not work",
        )
    again = found.purpose == "password-reset"
    return _page(
        visit,
        error,
        heading="Choose a new password" if again else f"Welcome, {found.user.title}",
        lead=f"You sign in as {found.user.username}.",
        path="/invitation",
        button="Set the password and sign in",
        ask_token=False,
        ask_name=False,
        token=token,
        username=found.user.username or "",
        name="",
    )


def _page(visit: Visit, error: SaafError | None, **values: Any) -> Response:
    return visit.page(
        "password.html",
        error=error,
        shortest=MIN_LENGTH,
        passwords=visit.pages.settings.sign_in.password,
        **values,
    )


def placed(error: SaafError) -> SaafError:
    """The error beside the field that it is about, as far as it says so."""
    if isinstance(error, FieldFault | RateLimited):
        return error
    if isinstance(error, Conflict) or "name" in error.detail.lower():
        field = "name" if "shown" in error.detail else "username"
        return FieldFault(field, str(error))
    return FieldFault("password", str(error))
