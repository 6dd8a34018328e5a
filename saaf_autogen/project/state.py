"""The state folder: the master key, and the secrets of clients that were made here."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from saaf_autogen.auth.clients import NewClient
from saaf_autogen.crypto import Sealer, write_private
from saaf_autogen.errors import ConfigurationError
from saaf_autogen.project.deployment import Deployment

__all__ = [
    "STATE_VARIABLE",
    "ClientSecrets",
    "known_address",
    "open_state",
    "remember_address",
    "state_folder",
]

STATE_VARIABLE = "SAAF_STATE"
_CLIENTS_FILE = "clients.json"
_ADDRESS_FILE = "address"


def state_folder(deployment: Deployment) -> Path:
    """Where keys, databases and secrets are kept: ``$SAAF_STATE``, else as ``saaf.yaml`` says."""
    configured = os.environ.get(STATE_VARIABLE)
    return Path(configured).resolve() if configured else deployment.state


def open_state(deployment: Deployment) -> tuple[Path, Sealer]:
    """The state folder, made if it is missing, and its master key."""
    state = state_folder(deployment)
    try:
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
        return state, Sealer.load(state)
    except OSError as error:
        raise _unusable(state, error) from error


def remember_address(state: Path, url: str) -> None:
    """Keep the address of the API, for workers of this machine that are told none."""
    write_private(state / _ADDRESS_FILE, f"{url}\n".encode())


def known_address(state: Path) -> str | None:
    """The address of the API that was last served from this state folder."""
    try:
        return (state / _ADDRESS_FILE).read_text(encoding="utf-8").strip() or None
    except OSError:
        return None


class ClientSecrets:
    """``clients.json``: secrets of declared clients, for whoever runs this host.

    Only what was made at a start is kept here; ``saaf clients add`` shows secrets once.
    """

    def __init__(self, state: Path) -> None:
        self.path = state / _CLIENTS_FILE

    def remember(self, clients: Sequence[NewClient]) -> None:
        """Keep the secrets of clients that were just made."""
        if not clients:
            return
        made = {
            client.id: {
                **({"client_secret": client.client_secret} if client.client_secret else {}),
                "webhook_secret": client.webhook_secret,
            }
            for client in clients
        }
        self._write({**self._read(), **made})

    def replace(self, client_id: str, secrets: Mapping[str, str]) -> bool:
        """Put a client's new secrets in place of its old ones; False if it is not kept here."""
        known = self._read()
        if client_id not in known:
            return False
        known[client_id] = {**known[client_id], **secrets}
        self._write(known)
        return True

    def _read(self) -> dict[str, dict[str, str]]:
        try:
            known = json.loads(self.path.read_bytes()) if self.path.exists() else {}
        except ValueError:
            known = None
        if not isinstance(known, dict):
            raise ConfigurationError(
                f"{self.path} is not the JSON object that it was.",
                remedy="Mend it, or move it away; `saaf clients rotate` makes new secrets.",
            )
        return known

    def _write(self, known: Mapping[str, Mapping[str, str]]) -> None:
        try:
            write_private(self.path, json.dumps(known, indent=2).encode() + b"\n")
        except OSError as error:
            raise _unusable(self.path.parent, error) from error


def _unusable(state: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(
        f"The state folder {state} cannot be used: {error.strerror}.",
        remedy=f"Mend it, or name another in {STATE_VARIABLE}.",
    )
