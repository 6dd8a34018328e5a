"""A deployment folder, read and checked: nothing is opened, started or written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from saaf_autogen.actions.registry import ActionRegistry
from saaf_autogen.auth.findings import validate_grants
from saaf_autogen.auth.scopes import ScopeRegistry
from saaf_autogen.errors import ConfigurationError, Finding
from saaf_autogen.project.discovery import CONFIG_FILE
from saaf_autogen.project.packs import load_packs
from saaf_autogen.semantic.catalog import SemanticCatalog
from saaf_autogen.semantic.loader import load_semantic
from saaf_autogen.settings import Document, Settings, read_document
from saaf_autogen.teams.definition import AgentDefinition, read_definition
from saaf_autogen.teams.loading import load_agent

__all__ = ["Deployment", "check_deployment", "read_deployment"]


@dataclass(frozen=True)
class Deployment:
    """What a deployment folder says, with no fault in it."""

    folder: Path
    settings: Settings
    registry: ActionRegistry
    scopes: ScopeRegistry
    catalog: SemanticCatalog
    agents: MappingProxyType[str, AgentDefinition]

    @property
    def state(self) -> Path:
        """The folder for keys, databases and secrets."""
        return self.folder / self.settings.state


def check_deployment(folder: Path) -> list[Finding]:
    """Every fault of the folder, by file and line."""
    return _read(folder)[1]


def read_deployment(folder: Path) -> Deployment:
    """The deployment. Raises ``ConfigurationError`` with every finding when it has faults."""
    deployment, findings = _read(folder)
    if deployment is None or findings:
        count = f"{len(findings)} fault" + ("s" if len(findings) != 1 else "")
        raise ConfigurationError(
            f"The deployment in {folder} has {count}:",
            findings=findings,
            remedy="Mend them; `saaf check` tells when none is left.",
        )
    return deployment


def _read(folder: Path) -> tuple[Deployment | None, list[Finding]]:
    document = read_document(folder / CONFIG_FILE)
    settings = document.validate(Settings, document.data or {}) if not document.findings else None
    findings = list(document.findings)
    if settings is None:
        return None, sorted(findings)
    registry, scopes, faults = load_packs(folder / "tools")
    findings += faults
    dialects = {name: each.engine for name, each in settings.warehouses.items()}
    catalog = SemanticCatalog()
    try:
        catalog = load_semantic(folder / "semantic", dialects)
    except ConfigurationError as error:
        findings += error.findings
    agents, faults = _read_agents(folder / "agents", settings, scopes)
    findings += faults
    findings += validate_grants(
        settings, document, scopes=scopes, agents=agents, tables=catalog.facts or None
    )
    findings += _check_environment(document, settings)
    deployment = Deployment(folder, settings, registry, scopes, catalog, MappingProxyType(agents))
    return deployment, sorted(set(findings))


def _check_environment(document: Document, settings: Settings) -> list[Finding]:
    if settings.environment == "production" and settings.local is not None:
        message = "a local principal is not for production"
        return [document.finding(("local",), message, "remove `local`; callers bring tokens")]
    return []


def _read_agents(
    folder: Path, settings: Settings, scopes: ScopeRegistry
) -> tuple[dict[str, AgentDefinition], list[Finding]]:
    agents: dict[str, AgentDefinition] = {}
    findings: list[Finding] = []
    files = [file for file in folder.glob("*") if file.suffix in (".yaml", ".yml", ".json")]
    for file in sorted(files):
        document = read_document(file)
        definition = None
        if not document.findings:
            definition = read_definition(
                document, settings.trusted_providers, models=settings.models
            )
        findings += document.findings
        if definition is None:
            continue
        try:
            load_agent(definition.config, settings.trusted_providers)
        except ConfigurationError as error:
            findings.append(document.finding(("config",), error.detail, error.remedy or ""))
        for scope in scopes.unknown(definition.scopes):
            findings.append(
                document.finding(
                    ("saaf", "scopes"), f"nobody declares the scope {scope}", "see `saaf scopes`"
                )
            )
        if definition.id in agents:
            message = f"another file also makes the agent {definition.id}"
            findings.append(document.finding((), message, "rename one"))
        agents[definition.id] = definition
    return agents, findings
