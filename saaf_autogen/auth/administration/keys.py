"""Signing keys and tokens, as admins look after them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints

from saaf_autogen.auth.administration.ledger import Ledger
from saaf_autogen.auth.keys import KeyRecord
from saaf_autogen.auth.principal import Principal
from saaf_autogen.auth.tokens.revocation import revoked_name
from saaf_autogen.db import DEFAULT_TENANT
from saaf_autogen.errors import Forbidden

__all__ = ["Key", "KeyAdministration", "KeyList", "Revocation", "Rotation", "TokenAdministration"]


class Key(BaseModel):
    """A signing key without its private part.

    Attributes:
        state: ``current`` signs, ``next`` will, ``retired`` only verifies what it signed.
    """

    kid: str
    algorithm: str
    state: Literal["next", "current", "retired"]
    created_at: datetime
    activated_at: datetime | None
    retired_at: datetime | None


class KeyList(BaseModel):
    """All keys that are published."""

    data: list[Key]


class Rotation(BaseModel):
    """``compromised`` drops every key at once: all tokens that they signed are refused."""

    model_config = ConfigDict(extra="forbid")

    compromised: bool = False


class Revocation(BaseModel):
    """A token by its ``jti``."""

    model_config = ConfigDict(extra="forbid")

    jti: Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[!-~]+$")]


class KeyAdministration:
    """The host's signing keys, which all tenants share: only the tenant ``default`` sees to them.

    Synchronous: call it in a thread. Every method raises ``Forbidden`` for who may not.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def list(self, actor: Principal) -> KeyList:
        """The keys that are published."""
        self._require_host(actor, "iam.list_keys")
        with self._ledger.reading(actor, "iam.list_keys") as reading:
            reading.stores.keys.load()
            return _listed(reading.stores.keys.records())

    def rotate(self, actor: Principal, rotation: Rotation) -> KeyList:
        """Let the next keys sign, and publish new next ones."""
        self._require_host(actor, "iam.rotate_keys")
        with self._ledger.change(actor, "iam.rotate_keys", "keys:signing") as change:
            change.stores.keys.rotate(compromised=rotation.compromised)
            listed = _listed(change.stores.keys.records())
            change.details = {
                "compromised": rotation.compromised,
                "signing": [key.kid for key in listed.data if key.state == "current"],
            }
        return listed

    def _require_host(self, actor: Principal, action: str) -> None:
        self._ledger.require(actor, action)
        if actor.tenant != DEFAULT_TENANT:
            refusal = Forbidden(
                "The signing keys are the host's, which all tenants share.",
                remedy=f"Ask an admin of the tenant {DEFAULT_TENANT}.",
            )
            self._ledger.refuse(actor, action, refusal)
            raise refusal


class TokenAdministration:
    """Access tokens, which are stored nowhere: they can only be taken back."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def revoke(self, actor: Principal, revocation: Revocation) -> None:
        """Refuse a token of this tenant from now on, and stop the runs that it started.

        An id that no token has is taken all the same. A token of another tenant is not touched,
        though it be named.
        """
        name = revoked_name(actor.tenant, revocation.jti)
        resource = f"token:{revocation.jti}"
        with self._ledger.change(actor, "iam.revoke_token", resource) as change:
            change.stores.revoked.add(change.session, name, tenant=change.tenant)
            change.after.append(lambda: change.stores.revoked.learn([name]))


def _listed(records: list[KeyRecord]) -> KeyList:
    return KeyList(
        data=[
            Key.model_validate({name: getattr(record, name) for name in Key.model_fields})
            for record in records
        ]
    )
