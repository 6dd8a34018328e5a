"""Signing out: of this browser, with a question first; and where a client asked for it."""

from __future__ import annotations

from starlette.responses import Response

from saaf_autogen.api.pages.visit import Visit

__all__ = ["show_sign_out", "sign_out"]


def show_sign_out(visit: Visit) -> Response:
    """GET /sign-out: asks, so that no other site's link signs anybody out.

    ``request`` names what a client asked for at ``/oauth/end_session``, which checked it.
    """
    name = visit.fields.text("request")
    asked = visit.pages.identity.logout.find(name) if name else None
    if asked is None:
        return visit.page("sign_out.html", client="", carried={})
    client = asked.title or asked.client_id or ""
    return visit.page("sign_out.html", client=client, carried={"request": name})


def sign_out(visit: Visit) -> Response:
    """POST /sign-out: this browser's session ends, and what grew from it."""
    if visit.session and visit.user:
        visit.record("sign_out", f"session:{visit.session.id}")
        visit.pages.identity.families.end_session(visit.session.id, user=visit.user)
        visit.end_session()
    name = visit.fields.text("request")
    asked = visit.pages.identity.logout.take(name) if name else None
    if asked is not None and asked.location:
        return visit.leave(asked.location)
    return visit.page(
        "done.html",
        heading="Signed out",
        detail="You are signed out of this browser.",
        link={"href": visit.link("/sign-in"), "title": "Sign in again"},
    )
