"""An agent's file: an AutoGen component config, and what a run of it may do."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from saaf_autogen.errors import ConfigurationError
from saaf_autogen.settings import AgentLimitSettings, Document
from saaf_autogen.teams.providers import MODEL_CLIENT, check_providers

__all__ = ["AgentDefinition", "read_definition"]

_ID = re.compile(r"^[a-z][a-z0-9_-]{0,62}$")
_SCOPE = re.compile(r"^[a-z][a-z0-9_.-]*:[a-z*][a-z0-9_.*-]*$")
_RESOURCE = re.compile(r"^[a-z][a-z0-9]*://\S+$")


class _Head(BaseModel):
    """The ``saaf`` key of an agent's file."""

    model_config = ConfigDict(extra="forbid")

    title: str | None = None
    description: str = ""
    scopes: list[str] = Field(description="the most that a run of this agent may ever do")
    resources: list[str] | None = None
    output_from: str | None = None
    limits: AgentLimitSettings = AgentLimitSettings()
    concurrency: int | None = Field(default=None, ge=1, description="runs of it at once")

    @field_validator("scopes")
    @classmethod
    def _scopes(cls, value: list[str]) -> list[str]:
        wrong = [scope for scope in value if not _SCOPE.match(scope)]
        if wrong:
            raise ValueError(f"{', '.join(wrong)}: a scope is written pack:verb")
        return value

    @field_validator("resources")
    @classmethod
    def _resources(cls, value: list[str] | None) -> list[str] | None:
        wrong = [resource for resource in value or [] if not _RESOURCE.match(resource)]
        if wrong:
            raise ValueError(f"{', '.join(wrong)}: a resource is written wh://NAME/SCHEMA.TABLE")
        return value


@dataclass(frozen=True)
class AgentDefinition:
    """An agent, checked but not loaded.

    Attributes:
        id: the stem of its file.
        title: a name for people.
        description: what it is for.
        scopes: the most that a run of it may ever do.
        resources: patterns of what it may touch; None is as far as its caller's grants reach.
        output_from: the participant whose last message is the run's output, or None for the last
            message of the run.
        limits: the most that a run of it may use, within what saaf.yaml allows.
        concurrency: how many runs of it may execute at once, over all workers; None: as saaf.yaml
            says.
        config: the AutoGen component config, without the ``saaf`` key.
    """

    id: str
    title: str
    description: str
    scopes: tuple[str, ...]
    resources: tuple[str, ...] | None
    output_from: str | None
    config: Mapping[str, Any] = field(repr=False)
    limits: AgentLimitSettings = field(default_factory=AgentLimitSettings)
    concurrency: int | None = None

    def snapshot(self) -> dict[str, Any]:
        """The definition as JSON-able data in the shape of its file; a run is stored with it."""
        head: dict[str, Any] = {
            "title": self.title,
            "description": self.description,
            "scopes": list(self.scopes),
        }
        if self.resources is not None:
            head["resources"] = list(self.resources)
        if self.output_from is not None:
            head["output_from"] = self.output_from
        if limits := self.limits.model_dump(exclude_none=True):
            head["limits"] = limits
        if self.concurrency is not None:
            head["concurrency"] = self.concurrency
        return {"saaf": head, **copy.deepcopy(dict(self.config))}

    @classmethod
    def from_snapshot(
        cls, agent: str, snapshot: Mapping[str, Any], trusted: Iterable[str] = ()
    ) -> AgentDefinition:
        """Read a snapshot back, checked again: a store may have been altered.

        Raises:
            ConfigurationError: it names a provider that may not be loaded, or does not fit.
        """
        document = Document(Path(f"{agent}.yaml"), dict(snapshot))
        definition = read_definition(document, trusted)
        if definition is None:
            raise ConfigurationError(
                f"The stored definition of the agent {agent} cannot be used.",
                findings=document.findings,
                remedy="Mend the agent's file and start a new run.",
            )
        return definition

    def models(self) -> tuple[str, ...]:
        """The names of the models that the agent asks for."""
        return tuple(sorted({str(name) for _, name in _model_places(self.config, ())}))


def read_definition(
    document: Document,
    trusted: Iterable[str] = (),
    *,
    models: Iterable[str] | None = None,
) -> AgentDefinition | None:
    """An agent's file as its definition, or None with the faults added to ``document.findings``.

    Args:
        document: the parsed file.
        trusted: further exact providers that it may name.
        models: the names of saaf.yaml's models; None leaves them unchecked.
    """
    before = len(document.findings)
    data = document.data
    if not isinstance(data, dict):
        remedy = "write `saaf:`, `provider:` and `config:`"
        document.findings.append(document.finding((), "an agent's file is a mapping", remedy))
        return None
    agent = document.file.stem
    if not _ID.match(agent):
        message = f"the file's name {agent!r} is no agent id"
        remedy = "use lower-case letters, digits, _ and -, a letter first"
        document.findings.append(document.finding((), message, remedy))
    head = _read_head(document, data.get("saaf"))
    config = {key: value for key, value in data.items() if key != "saaf"}
    for refusal in check_providers(config, trusted):
        finding = document.finding(refusal.place, refusal.message, refusal.remedy)
        document.findings.append(finding)
    _check_references(document, head, config, models)
    if head is None or len(document.findings) > before:
        return None
    return AgentDefinition(
        id=agent,
        title=head.title or agent,
        description=head.description,
        scopes=tuple(head.scopes),
        resources=None if head.resources is None else tuple(head.resources),
        output_from=head.output_from,
        config=config,
        limits=head.limits,
        concurrency=head.concurrency,
    )


def _read_head(document: Document, head: Any) -> _Head | None:
    if not isinstance(head, dict):
        message = "saaf.scopes is required"
        remedy = "add `saaf: {scopes: [...]}`: the most that a run of this agent may ever do"
        document.findings.append(document.finding(("saaf",), message, remedy))
        return None
    # Validated under its key, so that the findings stand at the lines of the file.
    under = Document(
        document.file,
        head,
        {place[1:]: line for place, line in document.lines.items() if place[:1] == ("saaf",)},
    )
    result = under.validate(_Head)
    document.findings.extend(under.findings)
    return result


def _check_references(
    document: Document, head: _Head | None, config: dict[str, Any], models: Iterable[str] | None
) -> None:
    if head is not None and head.output_from is not None:
        names = sorted(set(_participant_names(config)))
        if head.output_from not in names:
            message = f"output_from names {head.output_from!r}, which is no participant"
            remedy = f"participants: {', '.join(names) or 'none'}"
            place = ("saaf", "output_from")
            document.findings.append(document.finding(place, message, remedy))
    if models is not None:
        known = sorted(set(models))
        for place_of, name in _model_places(config, ()):
            if name not in known:
                message = f"saaf.yaml has no model {name!r}"
                remedy = f"models: {', '.join(known) or 'none'}"
                document.findings.append(document.finding(place_of, message, remedy))


def _participant_names(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        config = value.get("config")
        if (
            "provider" in value
            and value["provider"] != MODEL_CLIENT
            and isinstance(config, Mapping)
        ):
            name = config.get("name")
            if isinstance(name, str):
                yield name
        for item in value.values():
            yield from _participant_names(item)
    elif isinstance(value, list):
        for item in value:
            yield from _participant_names(item)


def _model_places(
    value: Any, place: tuple[str | int, ...]
) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    if isinstance(value, Mapping):
        if value.get("provider") == MODEL_CLIENT:
            config = value.get("config")
            named = config if isinstance(config, Mapping) else {}
            yield (*place, "config", "name"), named.get("name", "default")
        for key, item in value.items():
            yield from _model_places(item, (*place, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _model_places(item, (*place, index))
