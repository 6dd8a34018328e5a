"""The stores that are administrated, opened together over one database or one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from saaf_autogen.auth.clients import ClientStore
from saaf_autogen.auth.grantbook import GrantBook
from saaf_autogen.auth.identity.groups import GroupStore
from saaf_autogen.auth.identity.invitations import Invitations
from saaf_autogen.auth.identity.sessions import SessionStore
from saaf_autogen.auth.identity.users import UserStore
from saaf_autogen.auth.keys import SigningKeys
from saaf_autogen.auth.once import OneTimeStore
from saaf_autogen.auth.server.families import FamilyStore
from saaf_autogen.auth.tokens import RevokedTokens
from saaf_autogen.db import Database

__all__ = ["OpenStores", "Stores"]


@dataclass(frozen=True)
class Stores:
    """Each is the store of its name."""

    clients: ClientStore
    users: UserStore
    groups: GroupStore
    families: FamilyStore
    grants: GrantBook
    sessions: SessionStore
    invitations: Invitations
    keys: SigningKeys
    revoked: RevokedTokens
    once: OneTimeStore


class OpenStores(Protocol):
    """Opens the stores."""

    def __call__(self, database: Database) -> Stores:
        """The stores over this database; with ``Database.joined``, within a transaction."""
        ...
