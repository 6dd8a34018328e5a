"""The addresses of all pages."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import PlainTextResponse, Response

from saaf_autogen.api.pages import (
    account,
    authorization,
    device,
    invitations,
    passkeys,
    sign_in,
    sign_out,
)
from saaf_autogen.api.pages.pages import Handler, Pages
from saaf_autogen.project import Project

__all__ = ["POSTED", "SHOWN", "pages_router"]

SHOWN: dict[str, Handler] = {
    "/": account.show_front,
    "/oauth/authorize": authorization.authorize,
    "/sign-in": sign_in.show_sign_in,
    "/sign-in/with/{provider}": sign_in.begin_elsewhere,
    "/sign-in/with/{provider}/callback": sign_in.finish_elsewhere,
    "/sign-out": sign_out.show_sign_out,
    "/device": device.show_device,
    "/setup": invitations.show_setup,
    "/invitation": invitations.show_invitation,
    "/account": account.show_account,
}
POSTED: dict[str, Handler] = {
    "/oauth/authorize/decision": authorization.decide,
    "/sign-in": sign_in.ask_password,
    "/sign-in/passkey": passkeys.use_passkey,
    "/sign-in/passkey/options": passkeys.sign_in_options,
    "/sign-out": sign_out.sign_out,
    "/device": device.enter_code,
    "/device/decision": device.decide_device,
    "/setup": invitations.make_first_admin,
    "/invitation": invitations.set_password,
    "/account/disconnect": account.disconnect,
    "/account/sessions/end": account.end_session,
    "/account/password": account.change_password,
    "/account/passkeys": passkeys.add_passkey,
    "/account/passkeys/options": passkeys.add_options,
    "/account/passkeys/remove": passkeys.remove_passkey,
}
# Where tokens come from other issuers, nobody is asked to consent here.
_OF_THE_ISSUER = ("/oauth/", "/device")


def pages_router(project: Project) -> APIRouter:
    """The routes of the pages of a project's host."""
    pages = Pages(project)
    router = APIRouter(include_in_schema=False)
    for method, handlers in (("GET", SHOWN), ("POST", POSTED)):
        for path, handler in handlers.items():
            if project.settings.oauth.enabled or not path.startswith(_OF_THE_ISSUER):
                router.add_api_route(path, pages.endpoint(handler), methods=[method])
    if project.settings.oauth.enabled:
        post = pages.raw_endpoint(authorization.authorize_by_post)
        router.add_api_route("/oauth/authorize", post, methods=["POST"])

    async def asset(request: Request) -> Response:
        found = pages.renderer.asset(request.path_params["name"])
        return found or PlainTextResponse("There is nothing at this address.\n", 404)

    router.add_api_route("/pages/{version}/{name}", asset, methods=["GET"])
    return router
