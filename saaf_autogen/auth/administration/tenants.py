"""Tenants, as their admins see them: each sees its own, and that there are others is not told."""

from __future__ import annotations

from pydantic import BaseModel
from sqlalchemy import func, select

from saaf_autogen.auth.administration.ledger import Ledger
from saaf_autogen.auth.identity.tables import GroupRow, UserRow
from saaf_autogen.auth.principal import Principal
from saaf_autogen.auth.tables import ClientRow, GrantRow

__all__ = ["Tenant", "TenantAdministration", "TenantList"]


class Tenant(BaseModel):
    """A tenant and how much there is in it; ``grants`` are those that admins made."""

    id: str
    users: int
    groups: int
    clients: int
    grants: int


class TenantList(BaseModel):
    """The tenants that the caller administrates: their own."""

    data: list[Tenant]


class TenantAdministration:
    """Tenants are declared in ``saaf.yaml``. Synchronous: call it in a thread."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def list(self, actor: Principal) -> TenantList:
        """The actor's own tenant; raises ``Forbidden`` for who is no admin."""
        with self._ledger.reading(actor, "iam.list_tenants") as reading:
            counts = {
                name: reading.session.scalar(
                    select(func.count()).select_from(table).where(table.tenant == reading.tenant)
                )
                for name, table in (
                    ("users", UserRow),
                    ("groups", GroupRow),
                    ("clients", ClientRow),
                    ("grants", GrantRow),
                )
            }
        return TenantList(data=[Tenant.model_validate({"id": actor.tenant, **counts})])
