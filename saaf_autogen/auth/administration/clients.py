"""Clients, as admins make and change them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import BaseModel, Field
from sqlalchemy import delete

from saaf_autogen.auth.administration.guard import keep_an_admin
from saaf_autogen.auth.administration.ledger import Change, Ledger
from saaf_autogen.auth.administration.merge import patched, validated
from saaf_autogen.auth.administration.pages import Page, after_of, page_of
from saaf_autogen.auth.administration.repeats import UNKEYED, Request, earlier, remember
from saaf_autogen.auth.administration.versions import Entry, Expected
from saaf_autogen.auth.clients import ClientRecord
from saaf_autogen.auth.principal import Principal
from saaf_autogen.auth.redirect_uris import redirect_faults
from saaf_autogen.auth.server.client_keys import jwks_faults
from saaf_autogen.auth.server.tables import CodeRow, ConsentRow, DeviceCodeRow
from saaf_autogen.errors import Conflict, InvalidArguments
from saaf_autogen.settings import ClientSettings, ClientTerms

__all__ = ["ClientAdministration", "ClientEntry", "ClientSecret", "MadeClient", "WebhookSecret"]

MAX_OVERLAP_S = 30 * 86_400
_REMOVED = "removed client"
_ADDRESS = re.compile(r"https?://[!-~]{1,2000}")
# Longer than any access token of a removed client may still be about.
_FREE_AFTER = timedelta(hours=2)


class ClientEntry(Entry):
    """A client without its secrets.

    Attributes:
        origin: ``declared`` in ``saaf.yaml`` (read-only here), made by an ``admin``, or
            ``registered`` by itself.
        active: whether it gets tokens.
    """

    id: str
    origin: Literal["declared", "admin", "registered"]
    active: bool
    title: str
    scopes: list[str]
    groups: list[str]
    attributes: dict[str, Any]
    authentication: Literal["secret", "private_key_jwt", "none"]
    grant_types: list[str]
    redirect_uris: list[str]
    post_logout_redirect_uris: list[str]
    jwks: dict[str, Any] | None
    jwks_uri: str | None
    id_algorithm: str
    requires_dpop: bool
    requires_par: bool
    first_party: bool
    introspects: bool
    created_at: datetime
    updated_at: datetime
    disabled_at: datetime | None


class MadeClient(BaseModel):
    """A client that was made. Its secrets are in this answer and in none after it."""

    client: ClientEntry
    client_secret: str | None = Field(
        default=None, description="null where it needs none, and when the request is repeated"
    )
    webhook_secret: str | None = Field(
        default=None, description="signs its callbacks; null when the request is repeated"
    )


class ClientSecret(BaseModel):
    """A new secret, in this answer and in none after it."""

    client_secret: str | None = Field(description="null when the request is repeated")
    previous_ends_at: datetime = Field(description="until when the one before it counts, too")


class WebhookSecret(BaseModel):
    """A new secret for callbacks, in this answer and in none after it."""

    webhook_secret: str | None = Field(description="null when the request is repeated")


class ClientAdministration:
    """The one door to changes of clients. Synchronous: call it in a thread.

    Every method keeps to the tenant of ``actor`` and raises ``Forbidden`` for who is no admin;
    those that take ``expected`` raise ``PreconditionFailed`` when the client is another version.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def list(
        self, actor: Principal, *, cursor: str | None = None, limit: int = 50
    ) -> Page[ClientEntry]:
        """Clients by their ids."""
        with self._ledger.reading(actor, "iam.list_clients") as reading:
            found = reading.stores.clients.list(
                tenant=reading.tenant, after=after_of(cursor), limit=limit + 1
            )
        return page_of(found, limit, key=lambda client: client.id, show=_entry)

    def get(self, actor: Principal, client_id: str) -> ClientEntry:
        """A client; raises ``NotFound``."""
        with self._ledger.reading(actor, "iam.read_client") as reading:
            return _get(reading, client_id)

    def create(
        self, actor: Principal, body: Mapping[str, Any], request: Request = UNKEYED
    ) -> MadeClient:
        """Make a client.

        Args:
            actor: who acts.
            body: ``id``, and members of ``ClientTerms``.
            request: its Idempotency-Key.

        Raises:
            Conflict: the id is taken, in whichever tenant.
            InvalidArguments: the body is not valid, or names a scope that is not known.
        """
        action = "iam.create_client"
        self._ledger.require(actor, action)
        settings = _settings(actor, body)
        _check_addresses(settings)
        with self._ledger.change(actor, action, f"client:{settings.id}") as change:
            made = earlier(change, action, request)
            if made is not None:
                return MadeClient(client=_get(change, made))
            if change.stores.once.peek(_REMOVED, settings.id) is not None:
                raise _taken(settings.id)
            new = change.stores.clients.add(settings, tenant=change.tenant)
            entry = _get(change, settings.id)
            change.tell(None, entry)
            remember(change, action, request, settings.id)
        secret = new.client_secret if settings.authentication == "secret" else None
        return MadeClient(client=entry, client_secret=secret, webhook_secret=new.webhook_secret)

    def change(
        self, actor: Principal, client_id: str, patch: Mapping[str, Any], expected: Expected
    ) -> ClientEntry:
        """Change a client by a merge patch (RFC 7396) of its terms.

        Raises:
            NotFound: there is none of that id.
            Conflict: it is declared, or nobody could administrate any more.
            InvalidArguments: the result is not valid.
        """
        with self._ledger.change(actor, "iam.change_client", f"client:{client_id}") as change:
            before = _get(change, client_id)
            expected.check(before)
            shown = before.model_dump(mode="json", include=set(ClientTerms.model_fields))
            terms = patched(ClientTerms.model_construct(**shown), patch)
            settings = validated(ClientSettings, {**terms.model_dump(mode="json"), "id": client_id})
            _check_addresses(settings)
            with keep_an_admin(change):
                change.stores.clients.change(settings, tenant=change.tenant)
            after = _get(change, client_id)
            change.tell(before, after)
        return after

    def disable(self, actor: Principal, client_id: str, expected: Expected) -> ClientEntry:
        """Give it no more tokens, and end what it holds for users."""
        with self._ledger.change(actor, "iam.disable_client", f"client:{client_id}") as change:
            before = _get(change, client_id)
            expected.check(before)
            with keep_an_admin(change):
                change.stores.clients.disable(client_id, tenant=change.tenant)
            _end_families(change, client_id)
            after = _get(change, client_id)
            change.tell(before, after)
        return after

    def enable(self, actor: Principal, client_id: str, expected: Expected) -> ClientEntry:
        """Let it have tokens again; a declared one only as long as it is in ``saaf.yaml``."""
        with self._ledger.change(actor, "iam.enable_client", f"client:{client_id}") as change:
            before = _get(change, client_id)
            expected.check(before)
            change.stores.clients.enable(client_id, tenant=change.tenant)
            after = _get(change, client_id)
            change.tell(before, after)
        return after

    def remove(self, actor: Principal, client_id: str, expected: Expected) -> None:
        """Remove it with all that users allowed it. Its id is free again after two hours.

        Raises:
            NotFound: there is none of that id.
            Conflict: it is declared, or nobody could administrate any more.
        """
        with self._ledger.change(actor, "iam.remove_client", f"client:{client_id}") as change:
            before = _get(change, client_id)
            expected.check(before)
            with keep_an_admin(change):
                change.stores.clients.remove(client_id, tenant=change.tenant)
            _end_families(change, client_id)
            # A namesake that comes later inherits nothing that users said of this one.
            for table in (ConsentRow, CodeRow, DeviceCodeRow):
                change.session.execute(
                    delete(table).where(table.tenant == change.tenant, table.client_id == client_id)
                )
            ends = change.now + _FREE_AFTER
            change.stores.once.put(_REMOVED, client_id, expires_at=ends, tenant=change.tenant)
            change.tell(before, None)

    def rotate_secret(
        self,
        actor: Principal,
        client_id: str,
        *,
        overlap_s: int = 0,
        expected: Expected,
        request: Request = UNKEYED,
    ) -> ClientSecret:
        """Make a new secret; the one before it counts for ``overlap_s`` more seconds.

        Raises:
            Conflict: the client has no secret, because it proves itself otherwise.
        """
        action = "iam.rotate_client_secret"
        with self._ledger.change(actor, action, f"client:{client_id}") as change:
            before = _get(change, client_id)
            made = earlier(change, action, request)
            if made is not None:
                return ClientSecret(
                    client_secret=None, previous_ends_at=datetime.fromisoformat(made)
                )
            expected.check(before)
            if before.authentication != "secret":
                raise Conflict(
                    f"The client {client_id} has no secret: it authenticates by "
                    f"{before.authentication}.",
                    remedy="Change its authentication to `secret` first.",
                )
            secret = change.stores.clients.rotate_secret(
                client_id, overlap=timedelta(seconds=overlap_s), tenant=change.tenant
            )
            ends = change.now + timedelta(seconds=overlap_s)
            change.changes = {"client_secret": {}}
            change.details = {"previous_ends_at": ends.isoformat()}
            remember(change, action, request, ends.isoformat())
        return ClientSecret(client_secret=secret, previous_ends_at=ends)

    def rotate_webhook_secret(
        self, actor: Principal, client_id: str, *, expected: Expected, request: Request = UNKEYED
    ) -> WebhookSecret:
        """Make a new secret for callbacks; the one before it ends at once."""
        action = "iam.rotate_webhook_secret"
        with self._ledger.change(actor, action, f"client:{client_id}") as change:
            before = _get(change, client_id)
            if earlier(change, action, request) is not None:
                return WebhookSecret(webhook_secret=None)
            expected.check(before)
            secret = change.stores.clients.rotate_webhook_secret(client_id, tenant=change.tenant)
            change.changes = {"webhook_secret": {}}
            remember(change, action, request, client_id)
        return WebhookSecret(webhook_secret=secret)


def _settings(actor: Principal, body: Mapping[str, Any]) -> ClientSettings:
    if "tenant" in body:
        # The tenant is the admin's own; naming it, even rightly, is no member of the request.
        validated(ClientTerms, {"tenant": body["tenant"]})
    return validated(ClientSettings, {**body, "tenant": actor.tenant})


def _check_addresses(settings: ClientSettings) -> None:
    """What the terms alone do not tell: addresses that lead astray, keys that are none."""
    fault = redirect_faults([*settings.redirect_uris, *settings.post_logout_redirect_uris])
    if fault:
        raise InvalidArguments(fault, remedy="Use https, with the exact address.")
    if settings.jwks is not None and jwks_faults(settings.jwks):
        raise InvalidArguments(
            "The jwks hold no public keys that are taken, or a private one.",
            remedy="Give public keys alone: P-256, P-384, Ed25519, or RSA of 2048 bits and more.",
        )
    if settings.jwks_uri is not None and not _ADDRESS.fullmatch(settings.jwks_uri):
        raise InvalidArguments("The jwks_uri is no http address.", remedy="Use https.")


def _get(change: Change, client_id: str) -> ClientEntry:
    return _entry(change.stores.clients.get(client_id, tenant=change.tenant))


def _end_families(change: Change, client_id: str) -> None:
    change.stores.families.revoke_all(
        "client is not active", client_id=client_id, tenant=change.tenant
    )


def _taken(client_id: str) -> Conflict:
    return Conflict(f"There is a client {client_id} already.", remedy="Choose an id.")


def _entry(record: ClientRecord) -> ClientEntry:
    return ClientEntry.model_validate(
        {name: getattr(record, name) for name in ClientEntry.model_fields}
    )
