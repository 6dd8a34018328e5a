"""The clients of a deployment, without the rest of it: for the command line."""

from __future__ import annotations

from pathlib import Path

from saaf_autogen.auth.clients import ClientStore
from saaf_autogen.clock import SystemClock
from saaf_autogen.project.deployment import read_deployment
from saaf_autogen.project.discovery import find_project
from saaf_autogen.project.state import ClientSecrets, open_state
from saaf_autogen.project.stores import open_database

__all__ = ["open_clients"]


def open_clients(project: Path | None) -> tuple[ClientStore, ClientSecrets]:
    """The deployment's clients, declared ones made first, and the secrets that are kept here."""
    deployment = read_deployment(find_project(project))
    state, sealer = open_state(deployment)
    database = open_database(deployment, state)
    secrets = ClientSecrets(state)
    store = ClientStore(database, sealer, SystemClock(), deployment.scopes)
    store.ensure(deployment.settings.clients, keep=secrets.remember)
    return store, secrets
