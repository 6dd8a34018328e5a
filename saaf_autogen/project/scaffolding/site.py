"""The parts of a deployment that scaffolding works on: settings, semantic files, a warehouse.

Faults elsewhere (an agent, a tool) do not stand in its way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from saaf_autogen.actions.registry import ActionRegistry
from saaf_autogen.auth.scopes import ScopeRegistry
from saaf_autogen.errors import ConfigurationError, InvalidArguments, NotFound
from saaf_autogen.project.deployment import Deployment
from saaf_autogen.project.discovery import CONFIG_FILE, find_project
from saaf_autogen.project.state import open_state
from saaf_autogen.project.stores import SampleProgress, open_warehouses
from saaf_autogen.semantic.catalog import SemanticCatalog
from saaf_autogen.semantic.checks import Source
from saaf_autogen.semantic.loader import read_sources
from saaf_autogen.settings import Settings, read_document
from saaf_autogen.sql import GuardedWarehouse

__all__ = ["Site", "dialects", "open_warehouse", "read_site"]


@dataclass(frozen=True)
class Site:
    """A deployment folder as scaffolding sees it."""

    folder: Path
    settings: Settings
    sources: Sequence[Source]

    @property
    def semantic(self) -> Path:
        """The folder of the semantic files."""
        return self.folder / "semantic"

    @property
    def schema(self) -> Path:
        """The JSON Schema of semantic files, for editors."""
        return self.folder / self.settings.state / "semantic.schema.json"

    def described(self, warehouse: str) -> list[Source]:
        """The files on a warehouse."""
        return [source for source in self.sources if source.warehouse == warehouse]

    def choose(self, name: str | None) -> str:
        """The warehouse that is meant; the only one where none is named.

        Raises:
            NotFound: ``saaf.yaml`` declares none of this name, or none at all.
            InvalidArguments: it declares several and none was named.
        """
        known = sorted(self.settings.warehouses)
        if name is None and len(known) == 1:
            return known[0]
        if name is None and known:
            raise InvalidArguments(
                "Which warehouse is meant?", remedy=f"Pass --warehouse, one of: {', '.join(known)}."
            )
        if name not in self.settings.warehouses:
            raise NotFound(
                f"saaf.yaml declares no warehouse {name!r}."
                if name
                else "saaf.yaml declares no warehouse.",
                remedy=f"It declares: {', '.join(known)}." if known else "Add one first.",
            )
        return str(name)


def read_site(project: Path | None) -> Site:
    """The settings and semantic files of a deployment.

    Raises:
        ConfigurationError: ``saaf.yaml`` or a semantic file has faults; all are named.
    """
    folder = find_project(project)
    document = read_document(folder / CONFIG_FILE)
    settings = document.validate(Settings, document.data or {}) if not document.findings else None
    if settings is None or document.findings:
        raise ConfigurationError(
            f"{CONFIG_FILE} in {folder} has faults:",
            findings=document.findings,
            remedy="Mend them; `saaf check` tells when none is left.",
        )
    return Site(folder, settings, read_sources(folder / "semantic", dialects(settings)))


def dialects(settings: Settings) -> dict[str, str]:
    """The SQL dialect of each warehouse, by name."""
    return {
        name: getattr(each, "dialect", each.engine) for name, each in settings.warehouses.items()
    }


def open_warehouse(
    site: Site, name: str, progress: SampleProgress | None = None
) -> GuardedWarehouse:
    """One warehouse of the deployment, behind the guard; a missing sample is built first.

    Raises:
        ConfigurationError: it cannot be opened.
    """
    settings = site.settings.model_copy(
        update={"warehouses": {name: site.settings.warehouses[name]}}
    )
    deployment = Deployment(
        site.folder,
        settings,
        ActionRegistry(),
        ScopeRegistry(),
        SemanticCatalog(),
        MappingProxyType({}),
    )
    _, sealer = open_state(deployment)
    return open_warehouses(deployment, sealer, progress)[name]
