"""The stores of the authorization server, together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from saaf_autogen.auth.clients import ClientStore
from saaf_autogen.auth.once import OneTimeStore
from saaf_autogen.auth.server.authentication import FindsClients
from saaf_autogen.auth.server.codes import CodeStore
from saaf_autogen.auth.server.device import DeviceCodes
from saaf_autogen.auth.server.families import FamilyStore
from saaf_autogen.auth.server.refresh import RefreshTokens
from saaf_autogen.auth.tokens.revocation import RevokedTokens

if TYPE_CHECKING:
    from saaf_autogen.auth.identity.users import UserStore

__all__ = ["ServerStores"]


@dataclass(frozen=True)
class ServerStores:
    """What the grants read and write.

    Attributes:
        clients: those of the store, with their secrets.
        directory: all clients, those that describe themselves at an address among them.
        codes: authorization codes.
        devices: device codes.
        revoked: tokens and families that were revoked.
    """

    clients: ClientStore
    directory: FindsClients
    users: UserStore
    families: FamilyStore
    codes: CodeStore
    refresh_tokens: RefreshTokens
    devices: DeviceCodes
    once: OneTimeStore
    revoked: RevokedTokens
