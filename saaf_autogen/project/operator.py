"""An operator at the store of a deployment: clients and keys, whether a host runs or not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from saaf_autogen.audit import AuditLog, AuditRecord
from saaf_autogen.auth.clients import ClientStore
from saaf_autogen.auth.keys import SigningKeys
from saaf_autogen.auth.principal import Principal
from saaf_autogen.clock import SystemClock
from saaf_autogen.crypto import Sealer
from saaf_autogen.db import DEFAULT_TENANT, Database
from saaf_autogen.errors import InvalidArguments
from saaf_autogen.project.deployment import Deployment, read_deployment
from saaf_autogen.project.discovery import find_project
from saaf_autogen.project.identity import declare_clients
from saaf_autogen.project.people import OPERATOR
from saaf_autogen.project.state import ClientSecrets, open_state
from saaf_autogen.project.stores import open_database

__all__ = ["Operator", "open_operator"]


@dataclass(frozen=True)
class _Stores:
    clients: ClientStore
    keys: SigningKeys


class Operator:
    """Reads and changes clients and keys; each change is recorded in the audit.

    Attributes:
        clients, keys: to read. Changes go through ``change``.
        secrets: where secrets of declared clients are kept.
    """

    def __init__(
        self, deployment: Deployment, database: Database, sealer: Sealer, secrets: ClientSecrets
    ) -> None:
        self._deployment = deployment
        self._database = database
        self._sealer = sealer
        self._clock = SystemClock()
        self._audit = AuditLog(database, sealer.derive("audit"))
        self.secrets = secrets
        self.clients, self.keys = self._open(database)
        declare_clients(self.clients, deployment, secrets)

    @contextmanager
    def change(
        self, action: str, *resources: str, tenant: str = DEFAULT_TENANT
    ) -> Iterator[_Stores]:
        """The stores as parts of one transaction with its record: both are kept, or neither."""
        self.require_tenant(tenant)
        with self._database.transaction() as session:
            yield _Stores(*self._open(self._database.joined(session)))
            session.flush()
            record = AuditRecord.by(
                Principal(issuer="local", tenant=tenant, subject=OPERATOR, kind="user"),
                action=action,
                door="system",
                at=self._clock.now(),
                reason="The operator works on the store.",
                resources=resources,
                kind="change",
            )
            self._audit.append(session, record)
        self.clients.flush()

    def require_tenant(self, tenant: str) -> None:
        """Check that ``saaf.yaml`` names the tenant.

        Raises:
            InvalidArguments: it does not.
        """
        known = sorted({DEFAULT_TENANT, *self._deployment.settings.tenants})
        if tenant not in known:
            raise InvalidArguments(
                f"There is no tenant {tenant!r}.", remedy=f"saaf.yaml has {', '.join(known)}."
            )

    def _open(self, database: Database) -> tuple[ClientStore, SigningKeys]:
        scopes = self._deployment.scopes
        return (
            ClientStore(database, self._sealer, self._clock, scopes),
            SigningKeys(database, self._sealer, self._clock),
        )


@contextmanager
def open_operator(project: Path | None) -> Iterator[Operator]:
    """An operator at the deployment's store; clients that ``saaf.yaml`` declares are made first."""
    deployment = read_deployment(find_project(project))
    state, sealer = open_state(deployment)
    database = open_database(deployment, state)
    try:
        yield Operator(deployment, database, sealer, ClientSecrets(state))
    finally:
        database.close()
