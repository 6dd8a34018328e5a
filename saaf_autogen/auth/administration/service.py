"""All doors together."""

from __future__ import annotations

from saaf_autogen.audit import AuditReader
from saaf_autogen.auth.administration.access import AccessAdministration
from saaf_autogen.auth.administration.clients import ClientAdministration
from saaf_autogen.auth.administration.grants import RuleAdministration
from saaf_autogen.auth.administration.groups import GroupAdministration
from saaf_autogen.auth.administration.keys import KeyAdministration, TokenAdministration
from saaf_autogen.auth.administration.ledger import Ledger
from saaf_autogen.auth.administration.sessions import (
    ConnectionAdministration,
    SessionAdministration,
)
from saaf_autogen.auth.administration.tenants import TenantAdministration
from saaf_autogen.auth.administration.trail import AuditAdministration
from saaf_autogen.auth.administration.users import UserAdministration
from saaf_autogen.auth.identity.passwords import Passwords

__all__ = ["Administration"]


class Administration:
    """What admins may do, by what it is done to.

    Args:
        ledger: decides, and records.
        passwords: hashes initial passwords.
        reader: of the audit log.
        access: asks the policy about others.
        url: the public address, for links to users.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        passwords: Passwords,
        reader: AuditReader,
        access: AccessAdministration,
        url: str,
    ) -> None:
        self.ledger = ledger
        self.access = access
        self.clients = ClientAdministration(ledger)
        self.users = UserAdministration(ledger, passwords, url=url)
        self.groups = GroupAdministration(ledger)
        self.grants = RuleAdministration(ledger, "grant")
        self.deny = RuleAdministration(ledger, "deny")
        self.sessions = SessionAdministration(ledger)
        self.connections = ConnectionAdministration(ledger)
        self.keys = KeyAdministration(ledger)
        self.tokens = TokenAdministration(ledger)
        self.audit = AuditAdministration(ledger, reader)
        self.tenants = TenantAdministration(ledger)
