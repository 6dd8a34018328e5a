"""What AutoGen would not take in a config, each fault at its own place, and what it would ignore.

AutoGen drops keys that it does not know: ``max_iterations`` for ``max_tool_iterations`` would
load, and run with the default.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from autogen_core import ComponentModel
from pydantic import BaseModel, ValidationError

from saaf_autogen.teams import faults
from saaf_autogen.teams.loading import completed
from saaf_autogen.teams.providers import ALLOWED_PROVIDERS, Place, Refusal

__all__ = ["config_faults"]

faults.install()


def config_faults(config: Mapping[str, Any]) -> list[Refusal]:
    """Every key and value of a config that its component does not take.

    Args:
        config: a component config whose providers ``check_providers`` has passed. Providers that
            only the deployment trusts are left to AutoGen.
    """
    # The same fault is seen from the outer component and from the inner one.
    return list({fault.place: fault for fault in _walk(config, completed(config), ())}.values())


def _walk(value: Any, whole: Any, place: Place) -> Iterator[Refusal]:
    if isinstance(value, Mapping):
        if value.get("provider") in ALLOWED_PROVIDERS:
            yield from _component(value, whole, place)
        for key, item in value.items():
            yield from _walk(item, whole[key], (*place, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _walk(item, whole[index], (*place, index))


def _component(value: Mapping[str, Any], whole: Mapping[str, Any], place: Place) -> Iterator[Any]:
    name = str(value["provider"])
    yield from _unknown(name, value, ComponentModel, place)
    config = value.get("config") or {}
    if not isinstance(config, Mapping):
        yield Refusal((*place, "config"), f"config of {name} must be a mapping", "write it as one")
        return
    schema = _schema(name)
    yield from _unknown(name, config, schema, (*place, "config"))
    try:
        schema.model_validate({key: whole["config"][key] for key in config})
    except ValidationError as error:
        for fault in error.errors(include_url=False, include_input=False):
            if fault["type"] == "extra_forbidden":
                continue
            where = ".".join(map(str, fault["loc"])) or "config"
            remedy = "add it" if fault["type"] == "missing" else f"see AutoGen's {schema.__name__}"
            yield Refusal((*place, "config", *fault["loc"]), f"{where}: {fault['msg']}", remedy)


def _unknown(
    name: str, value: Mapping[str, Any], schema: type[BaseModel], place: Place
) -> Iterable[Refusal]:
    known = set(schema.model_fields)
    remedy = f"known keys: {', '.join(sorted(known)) or 'none'}"
    for key in value:
        if key not in known:
            short = name.rpartition(".")[2]
            yield Refusal((*place, key), f"{short} takes no {key!r}", remedy)


def _schema(provider: str) -> type[BaseModel]:
    module, _, name = provider.rpartition(".")
    schema: type[BaseModel] = getattr(importlib.import_module(module), name).component_config_schema
    return schema
