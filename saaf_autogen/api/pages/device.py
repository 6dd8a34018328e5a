"""Connecting a device that has no browser: its code, what it asks, and the user's answer."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from starlette.responses import Response

from saaf_autogen.api.addresses import payer
from saaf_autogen.api.pages.consent import approved_scopes, consent_of
from saaf_autogen.api.pages.faults import FieldFault
from saaf_autogen.api.pages.text import clip
from saaf_autogen.api.pages.visit import Visit
from saaf_autogen.auth.clients import ClientRecord
from saaf_autogen.auth.identity.records import UserRecord
from saaf_autogen.auth.scopes import IDENTITY_SCOPES
from saaf_autogen.auth.server.device import PendingDevice
from saaf_autogen.errors import InvalidArguments, SaafError

__all__ = ["decide_device", "enter_code", "show_device"]

_IDENTITY = frozenset(scope.name for scope in IDENTITY_SCOPES)


def show_device(visit: Visit) -> Response:
    """GET /device: where the code is typed. A code in the address is only filled in."""
    visit.signed_in()
    return _code_page(visit, visit.fields.text("user_code"))


def enter_code(visit: Visit) -> Response:
    """POST /device: what the device with this code asks for."""
    _, user = visit.signed_in()
    code = visit.fields.text("user_code")
    try:
        device, client = _waiting(visit, user, code)
    except SaafError as error:
        return _code_page(visit, code, error)
    return _ask(visit, user, device, client)


def decide_device(visit: Visit) -> Response:
    """POST /device/decision: whether the device gets in."""
    session, user = visit.signed_in()
    code = visit.fields.text("user_code")
    try:
        device, client = _waiting(visit, user, code)
    except SaafError as error:
        return _code_page(visit, code, error)
    devices = visit.pages.identity.devices
    title = clip(client.title or client.id)
    if visit.fields.text("decision") != "allow":
        visit.record("device.deny", f"client:{client.id}", allowed=False)
        devices.deny(code, tenant=user.tenant)
        return visit.page(
            "done.html",
            heading="Not connected",
            detail=f"{title} does not get in. You can close this page.",
            link=None,
        )
    scopes = approved_scopes(visit.fields, _grantable(device, user))
    if not scopes:
        nothing = InvalidArguments("Nothing is ticked.", remedy="Tick what it may do, or cancel.")
        return _ask(visit, user, device, client, chosen=(), error=nothing)
    order = replace(
        device.order,
        scopes=scopes,
        auth_time=int(session.authenticated_at.timestamp()),
        amr=tuple(session.amr),
        session_id=session.id,
    )
    visit.record("device.allow", f"client:{client.id}", reason=" ".join(scopes))
    if not devices.approve(code, user, order):
        return _code_page(visit, code, _unknown())
    return visit.page(
        "done.html",
        heading="Connected",
        detail=f"{title} is connected and goes on by itself. You can close this page.",
        link=None,
    )


def _waiting(visit: Visit, user: UserRecord, code: str) -> tuple[PendingDevice, ClientRecord]:
    """The device that waits under a code, and its client.

    Raises:
        FieldFault: nothing of the user's tenant waits under it.
        RateLimited: too many codes were tried.
    """
    names = (f"user|{user.id}", f"address|{payer(visit.address)}")
    visit.pages.guesses.check(*names)
    device = visit.pages.identity.devices.pending(code)
    client = visit.pages.identity.directory.find(device.client_id) if device else None
    client = client and client.within(user.tenant)
    usable = client is not None and client.active and client.tenant == user.tenant
    if device is None or client is None or not usable or not _grantable(device, user):
        visit.pages.guesses.note(*names)
        raise _unknown()
    return device, client


def _unknown() -> FieldFault:
    return FieldFault("user_code", "No device waits under this code. It may have run out.")


def _grantable(device: PendingDevice, user: UserRecord) -> tuple[str, ...]:
    own = user.scopes | _IDENTITY
    return tuple(name for name in device.order.scopes if name in own)


def _ask(
    visit: Visit,
    user: UserRecord,
    device: PendingDevice,
    client: ClientRecord,
    *,
    chosen: Collection[str] | None = None,
    error: SaafError | None = None,
) -> Response:
    consent = consent_of(
        visit,
        user,
        client,
        asked=device.order.scopes,
        grantable=_grantable(device, user),
        details=device.order.details,
        chosen=chosen,
    )
    return visit.page(
        "device_consent.html",
        consent=consent,
        user_code=device.user_code,
        error=error,
    )


def _code_page(visit: Visit, code: str, error: SaafError | None = None) -> Response:
    return visit.page("device.html", user_code=code[:20], error=error)
