"""The clients of a deployment, without the rest of it: for the command line."""

from __future__ import annotations

from pathlib import Path

from saaf_autogen.auth.clients import ClientStore
from saaf_autogen.clock import SystemClock
from saaf_autogen.project.deployment import read_deployment
from saaf_autogen.project.discovery import find_project
from saaf_autogen.project.project import open_state, remember_secrets
from saaf_autogen.project.stores import open_database

__all__ = ["open_clients"]


def open_clients(project: Path | None) -> ClientStore:
    """The deployment's clients; those that ``saaf.yaml`` declares are made first."""
    deployment = read_deployment(find_project(project))
    state, sealer = open_state(deployment)
    database = open_database(deployment, state)
    store = ClientStore(database, sealer, SystemClock(), deployment.scopes)
    store.ensure(deployment.settings.clients, keep=lambda made: remember_secrets(state, made))
    return store
