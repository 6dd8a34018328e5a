"""Faults of a deployment's clients, grants and deny rules, found before anyone calls."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence

from saaf_autogen.auth.access import TableFacts
from saaf_autogen.auth.grants import Fault, Reference, audience_of, compile_grant, row_faults
from saaf_autogen.auth.scopes import ScopeRegistry
from saaf_autogen.errors import Finding
from saaf_autogen.settings import (
    ClientSettings,
    DenySettings,
    Document,
    GrantSettings,
    PrincipalSettings,
    Settings,
)

__all__ = ["validate_grants"]

_TABLE = re.compile(r"wh://(?P<warehouse>[^/\s]+)/(?P<table>[^/\s]+)")


def validate_grants(
    settings: Settings,
    document: Document,
    *,
    scopes: ScopeRegistry,
    agents: Collection[str] | None = None,
    tables: Mapping[str, TableFacts] | None = None,
) -> list[Finding]:
    """Faults of ``clients``, ``local``, ``grants`` and ``deny``, each at its line.

    Args:
        settings: what ``document`` says.
        document: ``saaf.yaml``, for line numbers.
        scopes: all scopes of the host.
        agents: ids of the agents, to check ``to.agents``; None skips that.
        tables: described tables by resource, to check tables and columns; None skips that.
    """
    found: list[tuple[tuple[str | int, ...], Fault]] = []
    for index, client in enumerate(settings.clients):
        found += [(("clients", index), fault) for fault in _scope_faults(client, scopes)]
    if settings.local:
        local = settings.local.principal
        found += [(("local", "principal"), fault) for fault in _scope_faults(local, scopes)]
    rules: list[tuple[str, Sequence[GrantSettings | DenySettings]]] = [
        ("grants", settings.grants),
        ("deny", settings.deny),
    ]
    for key, items in rules:
        for index, rule in enumerate(items):
            faults = [
                *_audience_faults(rule, settings, agents),
                *_resource_faults(rule, settings, tables),
            ]
            if isinstance(rule, GrantSettings):
                faults += _grant_faults(rule, settings)
            if tables is not None:
                faults += _column_faults(rule, tables)
            found += [((key, index), fault) for fault in faults]
    return [
        document.finding((*place, *fault.place), fault.message, fault.remedy)
        for place, fault in found
    ]


def _scope_faults(
    holder: ClientSettings | PrincipalSettings, scopes: ScopeRegistry
) -> Iterator[Fault]:
    for index, name in enumerate(holder.scopes):
        if name not in scopes:
            yield Fault(("scopes", index), f"there is no scope {name}", _known(scopes))


def _known(scopes: ScopeRegistry) -> str:
    return "known: " + ", ".join(scope.name for scope in scopes)


def _audience_faults(
    rule: GrantSettings | DenySettings, settings: Settings, agents: Collection[str] | None
) -> Iterator[Fault]:
    audience = audience_of(rule)
    if not (
        audience.everyone
        or audience.groups
        or audience.users
        or audience.clients
        or audience.agents
    ):
        yield Fault(("to",), "`to` names nobody", 'name groups, users, clients, agents, or "*"')
    known = {client.id for client in settings.clients} | {"*"}
    for name in sorted(audience.clients - known):
        yield Fault(("to", "clients"), f"there is no client {name}", "declare it under `clients`")
    if agents is not None:
        for name in sorted(audience.agents - {*agents, "*"}):
            yield Fault(("to", "agents"), f"there is no agent {name}", "add it to agents/")


def _resource_faults(
    rule: GrantSettings | DenySettings,
    settings: Settings,
    tables: Mapping[str, TableFacts] | None,
) -> Iterator[Fault]:
    resource = rule.resource
    if not resource.startswith("wh://"):
        return
    if resource == "wh://*":
        return
    match = _TABLE.fullmatch(resource)
    if match is None or not ("." in match["table"] or "*" in match["table"]):
        yield Fault(
            ("resource",),
            f"{resource} names no table",
            "write wh://WAREHOUSE/SCHEMA.TABLE; * stands for any text",
        )
        return
    warehouse = match["warehouse"]
    if "*" not in warehouse and warehouse not in settings.warehouses:
        yield Fault(("resource",), f"there is no warehouse {warehouse}", "see `warehouses`")
    elif tables is not None and "*" not in resource and resource not in tables:
        yield Fault(("resource",), f"{resource} is not described", "describe it in semantic/")


def _grant_faults(grant: GrantSettings, settings: Settings) -> Iterator[Fault]:
    unusable = list(row_faults(grant))
    yield from unusable
    if grant.columns.allow != "*":
        if "*" in grant.columns.allow:
            yield Fault(("columns", "allow"), '"*" in a list is no column', 'write allow: "*"')
        allowed = {name.casefold() for name in grant.columns.allow}
        for name in grant.columns.mask:
            if name.casefold() not in allowed:
                remedy = "allow it, or remove its mask"
                yield Fault(("columns", "mask", name), f"{name} is masked but not shown", remedy)
    if not unusable:
        yield from _attribute_faults(grant, settings)


def _attribute_faults(grant: GrantSettings, settings: Settings) -> Iterator[Fault]:
    """Declared clients whom the grant names and whose attributes make it give nothing."""
    audience = audience_of(grant)
    for client in settings.clients:
        named = client.id in audience.clients or not audience.groups.isdisjoint(client.groups)
        if not named:
            continue
        for test in compile_grant(grant).tests:
            for operand in test.operands:
                if not isinstance(operand, Reference):
                    continue
                place = ("rows", test.column, test.operator)
                value = client.attributes.get(operand.name)
                if value is None:
                    message = f"the client {client.id} has no attribute {operand.name}"
                    yield Fault(place, message, "give it one; without it the grant shows no rows")
                elif isinstance(value, list) and test.operator != "in":
                    message = f"{operand.name} of the client {client.id} is a list"
                    yield Fault(place, message, "use `in`; the grant shows no rows now")


def _column_faults(
    rule: GrantSettings | DenySettings, tables: Mapping[str, TableFacts]
) -> Iterator[Fault]:
    facts = tables.get(rule.resource)
    if facts is None:
        return
    described = {column.name for column in facts.columns}
    folded = {name.casefold() for name in described}
    remedy = f"described: {', '.join(sorted(described))}"
    if isinstance(rule, DenySettings):
        for name in rule.columns or ():
            if "*" not in name and name.casefold() not in folded:
                yield Fault(("columns",), f"{rule.resource} has no column {name}", remedy)
        return
    shown = [] if rule.columns.allow == "*" else [*rule.columns.allow]
    for place, names in (
        (("columns", "allow"), [name for name in shown if name not in described and name != "*"]),
        (("columns", "mask"), [x for x in rule.columns.mask if x.casefold() not in folded]),
        (("rows",), [name for name in rule.rows if name not in described]),
        (
            ("limits", "required_filters"),
            [x for wanted in rule.limits.required_filters for x in wanted if x not in described],
        ),
    ):
        for name in names:
            yield Fault(place, f"{rule.resource} has no column {name}", remedy)
