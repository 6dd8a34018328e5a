"""The administration of a deployment that serves nobody, on either store."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from saaf_autogen.auth.administration import Administration
from saaf_autogen.auth.principal import Principal
from saaf_autogen.project.deployment import read_deployment
from saaf_autogen.project.project import Project
from saaf_autogen.testing import ManualClock

SETTINGS: dict[str, Any] = {
    "version": 1,
    "name": "desk",
    "tenants": ["default", "acme"],
    "clients": [{"id": "seed", "scopes": ["iam:admin"]}],
    "grants": [{"id": "declared", "to": "*", "resource": "doc://handbook/*"}],
}


@dataclass
class Office:
    """A deployment's administration, and whom tests act as."""

    project: Project
    clock: ManualClock

    @property
    def desk(self) -> Administration:
        return self.project.identity.administration

    def principal(self, subject: str = "client:seed", **more: Any) -> Principal:
        """Who holds iam:admin and nothing else, unless told otherwise."""
        told = {"issuer": self.project.server.public_url, "subject": subject, **more}
        return Principal.model_validate({"scopes": ["iam:admin"], **told})


def _open(folder: Path, url: str | None) -> Iterator[Office]:
    folder.mkdir()
    database = {"database": {"url": url}} if url else {}
    (folder / "saaf.yaml").write_text(yaml.safe_dump({**SETTINGS, **database}))
    clock = ManualClock()
    project = Project(read_deployment(folder), clock=clock)
    yield Office(project, clock)
    project.identity.people.close()
    project.database.close()


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    yield from _open(tmp_path / "office", None)


@pytest.fixture
def office_on_postgres(tmp_path: Path, postgres_url: str) -> Iterator[Office]:
    yield from _open(tmp_path / "office", postgres_url)
