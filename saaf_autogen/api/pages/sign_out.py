"""Signing out: of this browser, with a question first; and where a client asked for it."""

from __future__ import annotations

from starlette.responses import Response

from saaf_autogen.api.pages.text import clip
from saaf_autogen.api.pages.visit import Visit
from saaf_autogen.auth.server.logout import LogoutRequest

__all__ = ["show_sign_out", "sign_out"]


def show_sign_out(visit: Visit) -> Response:
    """GET /sign-out: asks, so that no other site's link signs anybody out.

    A client's request (RP-Initiated Logout) waits under the name ``request``. One whose hint names
    the very session of this browser was asked for by the application that the user signed in to,
    and is done at once.
    """
    name = visit.fields.text("request")
    asked = visit.pages.identity.logout.find(name)
    if visit.session is None:
        taken = visit.pages.identity.logout.take(name) if asked else None
        return _left(visit, taken if taken and taken.vouched_for else None)
    if asked and (asked.session_id, asked.user_id) == (visit.session.id, visit.session.user_id):
        return sign_out(visit)
    return visit.page(
        "sign_out.html",
        client=clip(asked.title or asked.client_id or "") if asked else "",
        request=name if asked else "",
        targets=[asked.location] if asked and asked.location else (),
    )


def sign_out(visit: Visit) -> Response:
    """POST /sign-out: this browser's session ends, and what grew from it."""
    asked = visit.pages.identity.logout.take(visit.fields.text("request"))
    if visit.session and visit.user:
        visit.record("sign_out", f"session:{visit.session.id}")
        visit.pages.identity.families.end_session(visit.session.id, user=visit.user)
        visit.end_session()
    return _left(visit, asked)


def _left(visit: Visit, asked: LogoutRequest | None) -> Response:
    if asked and asked.location:
        return visit.leave(asked.location)
    return visit.page(
        "done.html",
        heading="Signed out",
        detail="You are signed out of this browser.",
        link={"href": visit.link("/sign-in"), "title": "Sign in again"},
    )
