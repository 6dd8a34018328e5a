"""A deployment folder, read and checked: nothing is opened, started or written."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from saaf_autogen.actions.registry import ActionRegistry
from saaf_autogen.auth.findings import validate_grants
from saaf_autogen.auth.scopes import ScopeRegistry
from saaf_autogen.auth.tokens.findings import validate_issuers
from saaf_autogen.egress import EgressPolicy
from saaf_autogen.errors import ConfigurationError, Finding
from saaf_autogen.project.discovery import CONFIG_FILE
from saaf_autogen.project.identity_faults import identity_faults
from saaf_autogen.project.limit_faults import limit_faults
from saaf_autogen.project.packs import load_packs
from saaf_autogen.semantic.catalog import SemanticCatalog
from saaf_autogen.semantic.loader import load_semantic
from saaf_autogen.settings import Document, Settings, read_document
from saaf_autogen.teams.config_faults import config_faults
from saaf_autogen.teams.definition import AgentDefinition, read_definition
from saaf_autogen.teams.endpoints import check_model
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
    settings, broken = _read_settings(document)
    findings = [*document.findings, *_check_settings(document, settings)]
    registry, scopes, faults = load_packs(folder / "tools")
    findings += faults
    dialects = {name: each.dialect for name, each in settings.warehouses.items()}
    catalog = SemanticCatalog()
    try:
        catalog = load_semantic(folder / "semantic", None if "warehouses" in broken else dialects)
    except ConfigurationError as error:
        findings += error.findings
    agents: dict[str, AgentDefinition] = {}
    if "trusted_providers" not in broken:
        models = None if "models" in broken else settings.models
        agents, faults = _read_agents(
            folder / "agents",
            scopes,
            trusted=settings.trusted_providers,
            models=models,
            limits=None if broken & {"models", "runs"} else settings,
        )
        findings += faults
    if not broken:
        findings += identity_faults(document, settings, scopes)
        findings += validate_grants(
            settings, document, scopes=scopes, agents=agents, tables=catalog.facts or None
        )
        findings += validate_issuers(settings, document, scopes=scopes, environ=os.environ)
    deployment = Deployment(folder, settings, registry, scopes, catalog, MappingProxyType(agents))
    return deployment, sorted(set(findings))


def _read_settings(document: Document) -> tuple[Settings, frozenset[str]]:
    """As much of ``saaf.yaml`` as can be read, and the sections that could not.

    One fault of it shall not hide those of the other files.
    """
    settings = document.validate(Settings, document.data or {}) if not document.findings else None
    if settings is not None:
        return settings, frozenset()
    if not isinstance(document.data, dict):
        return Settings(), frozenset(Settings.model_fields)
    sound = {
        key: value
        for key, value in document.data.items()
        if Document(document.file).validate(Settings, {key: value}) is not None
    }
    return Settings.model_validate(sound), frozenset(document.data) - set(sound)


def _check_settings(document: Document, settings: Settings) -> list[Finding]:
    findings: list[Finding] = []
    if settings.environment == "production" and settings.local is not None:
        message, remedy = "a local principal is not for production", "callers bring tokens"
        findings.append(document.finding(("local",), message, f"remove `local`; {remedy}"))
    for name, model in settings.models.items():
        try:
            check_model(name, model)
        except ConfigurationError as error:
            findings.append(document.finding(("models", name), error.detail, error.remedy or ""))
    for index, entry in enumerate(settings.egress.allow):
        try:
            EgressPolicy([entry])
        except ConfigurationError as error:
            place = ("egress", "allow", index)
            findings.append(document.finding(place, error.detail, error.remedy or ""))
    for section, names in (
        ("clients", [client.id for client in settings.clients]),
        ("grants", [grant.id for grant in settings.grants]),
    ):
        for index, name in enumerate(names):
            if name in names[:index]:
                message = f"{section}: {name} is declared more than once"
                findings.append(document.finding((section, index, "id"), message, "rename one"))
    return findings


def _read_agents(
    folder: Path,
    scopes: ScopeRegistry,
    *,
    trusted: Sequence[str],
    models: Iterable[str] | None,
    limits: Settings | None,
) -> tuple[dict[str, AgentDefinition], list[Finding]]:
    agents: dict[str, AgentDefinition] = {}
    findings: list[Finding] = []
    files = [file for file in folder.glob("*") if file.suffix in (".yaml", ".yml", ".json")]
    for file in sorted(files):
        document = read_document(file)
        definition = None
        if not document.findings:
            definition = read_definition(document, trusted, models=models)
        findings += document.findings
        if definition is None:
            continue
        findings += _check_config(document, definition, trusted)
        if limits is not None:
            findings += limit_faults(document, definition, limits)
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


def _check_config(
    document: Document, definition: AgentDefinition, trusted: Sequence[str]
) -> list[Finding]:
    """What AutoGen would refuse or ignore; it is asked itself once nothing of that is left."""
    faults = config_faults(definition.config)
    if faults:
        return [document.finding(each.place, each.message, each.remedy) for each in faults]
    try:
        load_agent(definition.config, trusted)
    except ConfigurationError as error:
        return [document.finding(("config",), error.detail, error.remedy or "")]
    return []
