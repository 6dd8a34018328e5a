"""Principal × action × resource on a rich deployment: no cell allows what no grant allows.

The reference below is written by the words of the guide, from the text of the rules; it shares no
code with the policy.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import shutil
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from saaf_autogen.actions.port import LocalPort
from saaf_autogen.auth.principal import Actor, Principal
from saaf_autogen.errors import Forbidden, NotFound, SqlRefused
from saaf_autogen.project.deployment import read_deployment
from saaf_autogen.project.project import Project
from saaf_autogen.testing import ManualClock

START = datetime(2026, 1, 1, tzinfo=UTC)
"""A Thursday, at midnight in UTC."""
MOMENTS = (timedelta(0), timedelta(hours=10), timedelta(days=3))

PACK = '''
"""Sheets."""

from saaf_autogen import action

SCOPES = {"tools.sheets:read": "Read sheets.", "tools.sheets:write": "Write sheets."}


@action(scopes=["tools.sheets:read"], effect="read", resources=["sheet://{book}/{tab}"])
def read_tab(book: str, tab: str) -> str:
    """Read a tab."""
    return tab


@action(scopes=["tools.sheets:write"], effect="idempotent", resources=["sheet://{book}/{tab}"])
def write_tab(book: str, tab: str) -> str:
    """Write a tab."""
    return tab
'''

RULES: dict[str, list[dict[str, Any]]] = {
    "grants": [
        {"id": "staff-all", "to": {"groups": ["staff"]}, "resource": "wh://nyc/main.*",
         "columns": {"deny_tags": ["confidential"]}},
        {"id": "pilots", "to": {"groups": ["pilots"]}, "resource": "wh://nyc/main.flights",
         "columns": {"allow": ["carrier", "flight", "tailnum"], "mask": {"tailnum": "hash"}},
         "rows": {"carrier": {"eq": "$user.carrier"}}},
        {"id": "ann-planes", "to": {"users": ["ann"]}, "resource": "wh://nyc/main.planes",
         "hours": {"days": ["thu"], "start": "09:00", "end": "17:00", "zone": "UTC"}},
        {"id": "seniors", "to": {"users": ["*"]}, "resource": "wh://nyc/main.weather",
         "when": {"level": {"gte": 3}}, "columns": {"allow": ["origin", "temp"]}},
        {"id": "for-app", "to": {"clients": ["app"]}, "resource": "wh://nyc/main.air*"},
        {"id": "all-airlines", "to": "*", "resource": "wh://nyc/main.airlines",
         "columns": {"allow": ["name"]}},
        {"id": "trial", "to": {"clients": ["app"]}, "resource": "wh://nyc/main.flights",
         "starts_at": "2026-01-01T06:00:00Z", "expires_at": "2026-01-03T00:00:00Z"},
        {"id": "for-bot", "to": {"agents": ["bound"]}, "resource": "wh://nyc/main.flights"},
        {"id": "bot-sheets", "to": {"agents": ["bound"]}, "resource": "sheet://b1/*",
         "verbs": ["read", "write"]},
        {"id": "sheets", "to": {"groups": ["staff"]}, "resource": "sheet://b1/*",
         "verbs": ["read"]},
        {"id": "own-tab", "to": {"users": ["ann"]}, "resource": "sheet://b1/ann",
         "verbs": ["read", "write"]},
        {"id": "part", "to": "*", "resource": "sheet://b2/*", "verbs": ["read"],
         "rows": {"a": {"eq": 1}}},
        {"id": "acme-all", "tenant": "acme", "to": {"groups": ["staff"]}, "resource": "wh://*"},
        {"id": "acme-sheets", "tenant": "acme", "to": "*", "resource": "sheet://*",
         "verbs": ["read", "write"]},
    ],
    "deny": [
        {"id": "no-tails", "to": {"groups": ["staff"]}, "resource": "wh://nyc/main.planes",
         "columns": ["TAIL*"]},
        {"id": "frozen", "tenant": "acme", "to": {"agents": ["free"]}, "resource": "sheet://*"},
        {"id": "quiet", "to": {"users": ["bob"]}, "resource": "wh://*/main.weather",
         "expires_at": "2026-01-02T00:00:00Z"},
        {"id": "hidden-tab", "to": "*", "resource": "sheet://b1/secret*"},
    ],
}  # fmt: skip
AGENTS: dict[str, Any] = {"free": None, "bound": None, "near": ["wh://nyc/main.a*", "sheet://b1/*"]}
DETAILS: tuple[tuple[dict[str, Any], ...] | None, ...] = (
    None,
    (
        {"type": "saaf_data", "resource": "wh://nyc/main.flights",
         "columns": {"allow": ["carrier"]}},
        {"type": "saaf_data", "resource": "sheet://b1/*", "verbs": ["read"]},
    ),
    ({"type": "saaf_data", "resource": "wh://nyc/*", "columns": {"deny_tags": ["confidential"]}},),
    ({"type": "other", "resource": "wh://*"},),
)  # fmt: skip
SUBJECTS: list[dict[str, Any]] = [
    {"kind": "user", "subject": "ann", "groups": ["staff"], "attributes": {"level": 3}},
    {"kind": "user", "subject": "bob", "groups": ["pilots"],
     "attributes": {"carrier": "UA", "level": 5}},
    {"kind": "user", "subject": "cat", "groups": ["pilots"], "attributes": {"level": "5"}},
    {"kind": "client", "subject": "client:app", "groups": []},
    {"kind": "client", "subject": "client:ann", "groups": ["other"]},
    {"kind": "user", "subject": "ann", "groups": ["staff"], "tenant": "acme"},
    {"kind": "client", "subject": "client:app", "groups": ["staff"], "tenant": "acme"},
]  # fmt: skip
ACTORS = ((), ("agent:free",), ("agent:bound",), ("agent:near", "client:app"), ("agent:unknown",))
SHEETS = ("sheet://b1/ann", "sheet://b1/secret-1", "sheet://b2/x", "sheet://b9/y")
SCOPES = ["warehouse:query", "semantic:read", "tools.sheets:read", "tools.sheets:write"]


def principals() -> Iterator[Principal]:
    for subject, actors, details in itertools.product(SUBJECTS, ACTORS, DETAILS):
        yield Principal.model_validate(
            {
                "issuer": "local",
                "scopes": SCOPES,
                **subject,
                "actors": [Actor(subject=name) for name in actors],
                "token_grants": details,
            }
        )


@pytest.fixture(scope="module")
def rich(tmp_path_factory: pytest.TempPathFactory, deployment: Path) -> Iterator[Project]:
    """The sample's data under these rules."""
    folder = tmp_path_factory.mktemp("rich")
    shutil.copytree(deployment / "semantic", folder / "semantic")
    (folder / "tools").mkdir()
    (folder / "tools" / "sheets.py").write_text(PACK)
    (folder / "agents").mkdir()
    sample = yaml.safe_load((deployment / "agents" / "flights.yaml").read_text())
    for name, resources in AGENTS.items():
        agent = {**sample, "saaf": {**sample["saaf"], "scopes": SCOPES}}
        agent["saaf"].pop("resources")
        if resources:
            agent["saaf"]["resources"] = resources
        text = yaml.safe_dump(agent).replace("flights.", "sheets.")
        (folder / "agents" / f"{name}.yaml").write_text(text)
    settings = yaml.safe_load((deployment / "saaf.yaml").read_text())
    kept = {key: settings[key] for key in ("version", "models", "warehouses")}
    clients = [{"id": "app", "attributes": {"carrier": "UA"}}]
    (folder / "saaf.yaml").write_text(
        yaml.safe_dump({**kept, **RULES, "tenants": ["default", "acme"], "clients": clients})
    )
    project = Project(read_deployment(folder), clock=ManualClock())
    yield project
    asyncio.run(project.close())


# The reference ---------------------------------------------------------------------------------


def like(pattern: str, text: str) -> bool:
    """``*`` alone is special."""
    head, star, rest = pattern.partition("*")
    if not text.startswith(head):
        return False
    if not star:
        return text == head
    return any(like(rest, text[at:]) for at in range(len(head), len(text) + 1))


def meant(to: Any, who: dict[str, Any]) -> bool:
    if to == "*":
        return True
    return any(
        (name == "*" and names) or name in names
        for kind, names in who.items()
        for name in to.get(kind, ())
    )


def names_of(subject: str, principal: Principal | None = None) -> dict[str, Any]:
    kind, _, name = subject.partition(":")
    if principal is not None:
        by = {"users": [subject]} if principal.kind == "user" else {"clients": [name]}
        return {"groups": principal.groups, **by}
    return {f"{kind}s": [name]}


def in_time(rule: dict[str, Any], now: datetime) -> bool:
    starts, ends = rule.get("starts_at"), rule.get("expires_at")
    if starts and now < datetime.fromisoformat(starts):
        return False
    if ends and now >= datetime.fromisoformat(ends):
        return False
    hours = rule.get("hours")
    if not hours:
        return True
    begins, stops = (int(hours[key][:2]) for key in ("start", "end"))
    return now.strftime("%a").lower() in hours["days"] and begins <= now.hour < stops


def gives(
    grant: dict[str, Any],
    principal: Principal,
    resource: str,
    verb: str,
    column: Any,
    now: datetime,
) -> bool:
    """Whether a grant that means a party shows it a column, or a whole resource (None)."""
    if verb not in grant.get("verbs", ["select"]) or not like(grant["resource"], resource):
        return False
    if not in_time(grant, now):
        return False
    held = principal.attributes
    for attribute, tests in grant.get("when", {}).items():
        value = held.get(attribute)
        if type(value) is not int or value < tests["gte"]:
            return False
    rows, columns = grant.get("rows", {}), grant.get("columns", {})
    if column is None:
        return not rows and not columns
    for tests in rows.values():
        (operand,) = tests.values()
        if str(operand).startswith("$user.") and operand[6:] not in held:
            return False
    name, tags = column
    allowed = columns.get("allow", "*")
    if allowed != "*" and name not in allowed:
        return False
    return not tags & set(columns.get("deny_tags", ()))


def expected(principal: Principal, resource: str, verb: str, column: Any, now: datetime) -> bool:
    mine = [x for x in RULES["grants"] if x.get("tenant", "default") == principal.tenant]
    everyone = [names_of(principal.subject, principal)]
    everyone += [names_of(actor.subject) for actor in principal.actors]
    for rule in RULES["deny"]:
        if rule.get("tenant") not in (None, principal.tenant) or not in_time(rule, now):
            continue
        if not any(meant(rule["to"], who) for who in everyone):
            continue
        if like(rule["resource"], resource):
            hit = rule.get("columns")
            if hit is None or column is None:
                return False
            if any(like(each.lower(), column[0].lower()) for each in hit):
                return False
    parties = [[x for x in mine if meant(x["to"], everyone[0])]]
    for actor, who in zip(principal.actors, everyone[1:], strict=True):
        kind, _, name = actor.subject.partition(":")
        if kind == "agent":
            if name not in AGENTS:
                return False
            if AGENTS[name] and not any(like(x, resource) for x in AGENTS[name]):
                return False
            if not any(x["to"] != "*" and name in x["to"].get("agents", ()) for x in mine):
                continue
        parties.append([x for x in mine if meant(x["to"], who)])
    if principal.token_grants is not None:
        parties.append([x for x in principal.token_grants if x["type"] == "saaf_data"])
    return all(
        any(gives(grant, principal, resource, verb, column, now) for grant in party)
        for party in parties
    )


# The cells -------------------------------------------------------------------------------------


def test_every_cell_is_as_the_rules_say(rich: Project) -> None:
    clock: Any = rich.invoker._clock
    facts = rich.deployment.catalog.facts
    counted: Counter[bool] = Counter()
    for moment in MOMENTS:
        clock.advance((START + moment - clock.now()).total_seconds())
        for principal in principals():
            for table in facts.values():
                access = rich.policy.table_access(principal, table)
                for column in table.columns:
                    told = access is not None and column.name in access.columns
                    tags = column.tags | table.tags
                    cell = (table.resource, "select", (column.name, tags), clock.now())
                    assert told == expected(principal, *cell), (principal, cell)
                    counted[told] += 1
            for sheet, verb in itertools.product(SHEETS, ("read", "write", "select")):
                told = rich.policy.resource_access(principal, sheet, verb).allowed
                wanted = expected(principal, sheet, verb, None, clock.now())
                assert told == wanted, (principal, sheet, verb)
                counted[told] += 1
    clock.advance((START - clock.now()).total_seconds())
    # Neither answer is so rare that the comparison would say nothing.
    assert counted.total() > 20_000
    assert min(counted.values()) > 1_000


async def test_calls_of_a_sample_of_cells_are_decided_alike(rich: Project) -> None:
    clock: Any = rich.invoker._clock
    chosen = random.Random(7)  # noqa: S311 - a sample that is the same each time
    everyone = list(principals())
    tables = list(rich.deployment.catalog.facts.values())
    counted: Counter[bool] = Counter()
    for moment in MOMENTS:
        clock.advance((START + moment - clock.now()).total_seconds())
        for _ in range(150):
            principal = chosen.choice(everyone)
            saaf = LocalPort(rich.invoker, principal, door="python")
            if chosen.random() < 0.7:
                table = chosen.choice(tables)
                column = chosen.choice(table.columns)
                name = table.resource.rpartition("/")[2]
                sql = f'SELECT "{column.name}" FROM {name} LIMIT 1'
                call = saaf.call("warehouse.query", {"sql": sql, "warehouse": "nyc"})
                told = (column.name, column.tags | table.tags)
                wanted = expected(principal, table.resource, "select", told, clock.now())
            else:
                sheet, verb = chosen.choice(SHEETS), chosen.choice(("read", "write"))
                book, tab = sheet.removeprefix("sheet://").split("/")
                call = saaf.call(f"sheets.{verb}_tab", {"book": book, "tab": tab})
                wanted = expected(principal, sheet, verb, None, clock.now())
            try:
                await call
                allowed = True
            except (Forbidden, NotFound, SqlRefused):
                allowed = False
            assert allowed == wanted, principal
            counted[allowed] += 1
    clock.advance((START - clock.now()).total_seconds())
    assert min(counted.values()) > 40
