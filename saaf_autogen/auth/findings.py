"""Faults of a deployment's clients, grants and deny rules, found before anyone calls."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from saaf_autogen.auth.access import TableFacts
from saaf_autogen.auth.conditions import Fault, Reference
from saaf_autogen.auth.grants import audience_of, compile_grant, grant_faults
from saaf_autogen.auth.redirect_uris import redirect_fault
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

__all__ = ["Known", "rule_faults", "validate_grants"]

_TABLE = re.compile(r"wh://(?P<warehouse>[^/\s]+)/(?P<table>[^/\s]+)")
Rule = GrantSettings | DenySettings


@dataclass(frozen=True)
class Known:
    """What rules may name. None: it is not known what there is, so nothing of it is checked.

    Attributes:
        tenants: all that there are.
        warehouses: by name.
        clients: by id.
        agents: by id.
        groups: of any tenant.
        tables: described ones, by resource.
    """

    tenants: Collection[str]
    warehouses: Collection[str]
    clients: Collection[str]
    agents: Collection[str] | None = None
    groups: Collection[str] | None = None
    tables: Mapping[str, TableFacts] | None = None


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
        found += [(("clients", index), fault) for fault in _address_faults(client)]
    if settings.local:
        local = settings.local.principal
        found += [(("local", "principal"), fault) for fault in _scope_faults(local, scopes)]
    clients = {client.id for client in settings.clients}
    known = Known(settings.tenants, settings.warehouses, clients, agents, None, tables)
    rules: list[tuple[str, Sequence[Rule]]] = [
        ("grants", settings.grants),
        ("deny", settings.deny),
    ]
    for key, items in rules:
        for index, rule in enumerate(items):
            faults = list(rule_faults(rule, known))
            if isinstance(rule, GrantSettings) and not any(grant_faults(rule)):
                faults += _attribute_faults(rule, settings.clients)
            found += [((key, index), fault) for fault in faults]
    found += _repeated_denials(settings)
    return [
        document.finding((*place, *fault.place), fault.message, fault.remedy)
        for place, fault in found
    ]


def rule_faults(rule: Rule, known: Known) -> Iterator[Fault]:
    """What makes a grant or a deny rule unusable, or makes it do nothing."""
    if rule.tenant is not None and rule.tenant not in known.tenants:
        remedy = f"known: {', '.join(known.tenants)}; see `tenants`"
        yield Fault(("tenant",), f"there is no tenant {rule.tenant}", remedy)
    yield from _audience_faults(rule, known)
    yield from _resource_faults(rule, known)
    if isinstance(rule, GrantSettings):
        yield from grant_faults(rule)
        yield from _masked_but_hidden(rule)
    if known.tables is not None:
        yield from _column_faults(rule, known.tables)


def _repeated_denials(settings: Settings) -> Iterator[tuple[tuple[str | int, ...], Fault]]:
    taken = {grant.id for grant in settings.grants}
    for index, rule in enumerate(settings.deny):
        if rule.id is not None and rule.id in taken:
            message = f"another rule has the id {rule.id}"
            yield ("deny", index), Fault(("id",), message, "rename one")
        taken |= {rule.id} if rule.id else set()


def _scope_faults(
    holder: ClientSettings | PrincipalSettings, scopes: ScopeRegistry
) -> Iterator[Fault]:
    for index, name in enumerate(holder.scopes):
        if name not in scopes:
            yield Fault(("scopes", index), f"there is no scope {name}", _listed(scopes))


def _address_faults(client: ClientSettings) -> Iterator[Fault]:
    lists = {
        "redirect_uris": client.redirect_uris,
        "post_logout_redirect_uris": client.post_logout_redirect_uris,
    }
    for name, uris in lists.items():
        for index, uri in enumerate(uris):
            fault = redirect_fault(uri)
            if fault:
                message = f"the address {uri!r} {fault}"
                yield Fault((name, index), message, "use https, or http://127.0.0.1")


def _listed(scopes: ScopeRegistry) -> str:
    return "known: " + ", ".join(scope.name for scope in scopes)


def _audience_faults(rule: Rule, known: Known) -> Iterator[Fault]:
    audience = audience_of(rule)
    if not (
        audience.everyone
        or audience.groups
        or audience.users
        or audience.clients
        or audience.agents
    ):
        yield Fault(("to",), "`to` names nobody", 'name groups, users, clients, agents, or "*"')
    # ISSUER|ID is a client of another issuer, of which nothing is known here.
    here = {name for name in audience.clients if "|" not in name}
    for name in sorted(here - {*known.clients, "*"}):
        yield Fault(("to", "clients"), f"there is no client {name}", "declare it under `clients`")
    if known.agents is not None:
        for name in sorted(audience.agents - {*known.agents, "*"}):
            yield Fault(("to", "agents"), f"there is no agent {name}", "add it to agents/")
    if known.groups is not None:
        for name in sorted(audience.groups - {*known.groups, "*"}):
            yield Fault(("to", "groups"), f"there is no group {name}", "make it, or mend its name")


def _resource_faults(rule: Rule, known: Known) -> Iterator[Fault]:
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
    if "*" not in warehouse and warehouse not in known.warehouses:
        yield Fault(("resource",), f"there is no warehouse {warehouse}", "see `warehouses`")
    elif known.tables is not None and "*" not in resource and resource not in known.tables:
        yield Fault(("resource",), f"{resource} is not described", "describe it in semantic/")


def _masked_but_hidden(grant: GrantSettings) -> Iterator[Fault]:
    if grant.columns.allow == "*":
        return
    if "*" in grant.columns.allow:
        yield Fault(("columns", "allow"), '"*" in a list is no column', 'write allow: "*"')
    allowed = {name.casefold() for name in grant.columns.allow}
    for name in grant.columns.mask:
        if name.casefold() not in allowed:
            remedy = "allow it, or remove its mask"
            yield Fault(("columns", "mask", name), f"{name} is masked but not shown", remedy)


def _attribute_faults(grant: GrantSettings, clients: Sequence[ClientSettings]) -> Iterator[Fault]:
    """Declared clients whom the grant names and whose attributes make it give nothing."""
    audience, compiled = audience_of(grant), compile_grant(grant)
    asked = [(("rows", test.column, test.operator), test) for test in compiled.tests]
    conditions = [(("when", test.attribute, test.operator), test) for test in compiled.when]
    for client in clients:
        meant = client.id in audience.clients or not audience.groups.isdisjoint(client.groups)
        if not meant or client.tenant != grant.tenant:
            continue
        for place, test in (*asked, *conditions):
            for operand in test.operands:
                if isinstance(operand, Reference):
                    fault = _attribute_fault(client, operand.name, test.operator)
                    if fault:
                        yield Fault(place, *fault)
        for place, condition in conditions:
            fault = _attribute_fault(client, condition.attribute, condition.operator)
            if fault:
                yield Fault(place, *fault)


def _attribute_fault(client: ClientSettings, name: str, operator: str) -> tuple[str, str] | None:
    value = client.attributes.get(name)
    if value is None:
        message = f"the client {client.id} has no attribute {name}"
        return message, "give it one; without it the grant shows no rows"
    if isinstance(value, list) and operator != "in":
        return (
            f"{name} of the client {client.id} is a list",
            "use `in`; the grant shows no rows now",
        )
    return None


def _column_faults(rule: Rule, tables: Mapping[str, TableFacts]) -> Iterator[Fault]:
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
