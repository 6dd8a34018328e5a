"""Access rules of Cube and Wren become grants that never show more than the source does."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from saaf_autogen.auth.access import AllOf, AnyOf, Comparison, Predicate
from saaf_autogen.auth.findings import validate_grants
from saaf_autogen.auth.policy import Policy
from saaf_autogen.auth.principal import Principal
from saaf_autogen.auth.scopes import ScopeRegistry
from saaf_autogen.errors import ConfigurationError
from saaf_autogen.semantic.catalog import SemanticCatalog
from saaf_autogen.semantic.formats import Imported, Target, import_semantic
from saaf_autogen.settings import GrantSettings, Settings, parse_document
from tests.semantic.formats.support import SOURCES, from_text, imported, told

CUBE = """
cubes:
- name: orders
  sql_table: shop.orders
  dimensions:
  - {name: id, sql: id, type: number, primary_key: true}
  - {name: region, sql: region, type: string}
  - {name: status, sql: "{CUBE}.state", type: string}
  - {name: amount, sql: amount, type: number, mask: -1}
  - {name: label, sql: "{region} || {status}", type: string}
  - {name: secret, sql: secret, type: string, public: false}
  - {name: placed_at, sql: placed_at, type: time}
  measures:
  - {name: count, type: count}
  access_policy:
"""


def policies(tmp_path: Path, text: str, target: Target | None = None) -> Imported:
    body = "\n".join(f"  {line}" for line in text.strip().splitlines())
    return from_text(tmp_path, CUBE + body, target or Target("wh", "postgres"))


def catalog(made: Imported, dialect: str) -> SemanticCatalog:
    return SemanticCatalog((model, "wh", dialect) for model in made.models)


@pytest.mark.parametrize("name", [name for name in SOURCES if name.startswith(("cube", "wren"))])
def test_the_grants_of_every_example_stand_in_saaf_yaml(name: str) -> None:
    made = imported(name)
    text = yaml.safe_dump(
        {"warehouses": {"wh": {"engine": "duckdb", "path": "x"}}, "grants": made.grants}
    )
    document = parse_document(text, Path("saaf.yaml"))
    found = document.validate(Settings)
    assert found is not None, document.findings
    facts = catalog(made, SOURCES[name][1]).facts
    scopes = ScopeRegistry()
    assert validate_grants(found, document, scopes=scopes, tables=facts) == []


def test_members_become_columns_and_filters_become_rows(tmp_path: Path) -> None:
    made = policies(
        tmp_path,
        """
- group: sales
  member_level: {includes: [region, status, label, count]}
  row_level:
    filters:
    - {member: region, operator: equals, values: ["{ userAttributes.region }"]}
    - {member: "{CUBE}.status", operator: equals, values: [open, $new]}
    - {member: amount, operator: lte, values: ["100"]}
""",
    )
    assert made.grants == [
        {
            "id": "cube-orders-sales",
            "to": {"groups": ["sales"]},
            "resource": "wh://wh/shop.orders",
            "columns": {"allow": ["region", "state"], "deny_tags": ["hidden"]},
            "rows": {
                "region": {"eq": "$user.region"},
                "state": {"in": ["open", "$$new"]},
                "amount": {"lte": 100},
            },
        }
    ]
    assert "label" in told([*made.notes])


def test_hidden_members_are_in_no_grant_and_tagged(tmp_path: Path) -> None:
    made = policies(tmp_path, "- {role: '*'}")
    (grant,) = made.grants
    assert grant["to"] == "*"
    assert grant["columns"]["allow"] == ["amount", "placed_at", "region", "state"]
    facts = catalog(made, "postgres").facts["wh://wh/shop.orders"]
    tags = {column.name: column.tags for column in facts.columns}
    assert tags["secret"] == tags["id"] == {"hidden"}


def test_masked_members_become_null_and_the_mask_is_told(tmp_path: Path) -> None:
    made = policies(
        tmp_path,
        "- {group: a, member_level: {includes: [region]}, member_masking: {includes: '*'}}",
    )
    columns = made.grants[0]["columns"]
    assert columns["mask"] == {"amount": "null", "placed_at": "null", "state": "null"}
    assert "the mask of orders.amount became NULL" in told([*made.policies])


def test_alternatives_become_grants_that_add_up(tmp_path: Path) -> None:
    made = policies(
        tmp_path,
        """
- group: a
  row_level:
    filters:
    - or:
      - {member: region, operator: equals, values: [EU]}
      - and:
        - {member: region, operator: equals, values: [US]}
        - {member: amount, operator: gt, values: [5]}
""",
    )
    assert [grant["rows"] for grant in made.grants] == [
        {"region": {"eq": "EU"}},
        {"region": {"eq": "US"}, "amount": {"gt": 5}},
    ]
    assert [grant["id"] for grant in made.grants] == ["cube-orders-a", "cube-orders-a-2"]


DENIED = [
    ("{operator: contains, values: [E]}", "no such contains"),
    ("{operator: set}", "no operator set without values"),
    ("{operator: notEquals, values: [a, b]}", "no such notEquals"),
    ("{operator: gt, values: [a]}", "no such gt"),
    ("{operator: equals, values: ['{ securityContext.a.b }']}", "the attribute a.b is nested"),
    ("{operator: equals, values: ['{ f(securityContext.a) }']}", "is computed"),
    ("{operator: equals, values: ['x{ securityContext.a }']}", "is computed"),
    ("{operator: equals, values: [null]}", "is no string"),
    ("{operator: equals, values: [1]}", "is no string"),
    ("{operator: equals, values: []}", "without values"),
    ("{operator: inDateRange, values: [a, b], member: placed_at}", "is no time"),
    ("{operator: equals, values: [a], member: label}", "is on no column"),
    ("{operator: equals, values: [a], member: customers.name}", "is on no column"),
    ("{operator: equals, values: ['1e5'], member: amount}", "is no number"),
    ("{operator: equals, values: ['NaN'], member: amount}", "is no number"),
]


@pytest.mark.parametrize(("condition", "message"), DENIED, ids=[x[0] for x in DENIED])
def test_what_a_grant_cannot_say_becomes_a_finding_and_no_grant(
    condition: str, message: str, tmp_path: Path
) -> None:
    one = yaml.safe_load(condition)
    made = policies(
        tmp_path,
        yaml.safe_dump([{"group": "a", "row_level": {"filters": [{"member": "region", **one}]}}]),
    )
    assert made.grants == []
    (finding,) = made.policies
    assert message in finding.message
    assert finding.line > 15
    assert made.left_out == []
    assert finding.remedy


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- {group: a, conditions: [{if: '{ userAttributes.x }'}]}", "its conditions"),
        ("- {member_level: {includes: '*'}}", "it names no group"),
        ("- {group: a, member_level: {includes: [count]}}", "shows no column"),
        ("- {group: a, member_level: {excludes: '*'}}", "shows no column"),
        ("- {group: 'a b'}", "has blanks or stars"),
        ("- {groups: ['team-*']}", "has blanks or stars"),
        ("- {group: a, row_level: {filters: [{or: []}]}}", "its or has an empty entry, or none"),
        ("- {group: a, row_level: {filters: [{and: []}]}}", "its and has an empty entry"),
        ("- {group: a, row_level: {filters: [{and: [null]}]}}", "its and has an empty entry"),
        ("- {group: a, row_level: }", "its row_level says nothing"),
        ("- {group: a, row_level: {allow_all: true, filters: [{member: id}]}}", "and filters them"),
        ("- {group: a, row_level: {allow_all: true, until: noon}}", "until is not understood"),
        ("- {group: a, row_level: {filters: [{member: id, not: 1}]}}", "not is not understood"),
        ("- {group: a, member_level: }", "its member_level says nothing"),
        ("- {group: a, member_level: {includes: }}", "neither includes nor excludes"),
        ("- {group: a, member_level: {includes: '*', excludes: [region]}}", "or both"),
        ("- {group: a, member_level: {excludes: [regoin]}}", "no member regoin to exclude"),
        ("- {group: a, valid_until: 2020}", "valid_until is not understood"),
        ("- {group: a, row_level: {allow_all: false}}", "it allows no rows"),
    ],
)
def test_policies_that_give_nothing_make_no_grant(text: str, message: str, tmp_path: Path) -> None:
    made = policies(tmp_path, text)
    assert made.grants == []
    assert message in told([*made.policies, *made.notes])


def test_without_a_warehouse_there_is_no_grant(tmp_path: Path) -> None:
    made = policies(tmp_path, "- {group: a}", Target(None, "postgres"))
    assert made.grants == []
    assert "import again with --warehouse NAME" in told([*made.policies])


def test_a_table_whose_name_is_a_pattern_is_left_out(tmp_path: Path) -> None:
    text = CUBE.replace("sql_table: shop.orders", "sql_table: 'shop.\"orders*\"'")
    with pytest.raises(ConfigurationError, match="its access policies became no grant"):
        from_text(tmp_path, text + "  - {group: a}", Target("wh", "postgres"))


def test_a_cube_without_policy_or_that_is_not_public_gets_no_grant(tmp_path: Path) -> None:
    made = policies(tmp_path, "")
    assert made.grants == []
    assert "nobody sees it here until you write a grant" in told([*made.notes])

    hidden = CUBE.replace("sql_table: shop", "public: false\n  sql_table: shop") + "  - {group: a}"
    made = from_text(tmp_path, hidden, Target("wh", "postgres"))
    assert made.grants == []
    assert "the cube is not public" in told([*made.policies])


def test_a_view_over_a_cube_with_policies_gets_no_grant_of_its_own(tmp_path: Path) -> None:
    view = """
views:
- name: v
  cubes: [{join_path: orders, includes: "*"}]
  access_policy: [{group: everybody}]
"""
    made = from_text(tmp_path, CUBE + "  - {group: a}\n" + view, Target("wh", "postgres"))
    assert [grant["to"] for grant in made.grants] == [{"groups": ["a"]}]
    assert "those of orders hold, too" in told([*made.policies])


def test_wrens_rules_hold_together_or_the_model_gets_no_grant() -> None:
    made = imported("wren/jaffle_shop_mdl.json")
    orders = made.grants[0]
    assert orders["rows"] == {"status": {"eq": "$user.session_status"}}
    assert "credit_card_amount" not in orders["columns"]["allow"]
    assert orders["to"] == {"groups": ["wren-readers"]}

    made = imported("wren/tpch_mdl.json")
    assert not any(grant["resource"].endswith("customer") for grant in made.grants)
    assert "customer got no grant" in told([*made.policies])


COLUMNS = ("a", "b", "c")
ROWS = [dict(zip(COLUMNS, (x, y, z), strict=True)) for x in (1, 2) for y in (1, 2) for z in (1, 2)]


def holds(rule: Predicate, row: dict[str, int]) -> bool:
    if isinstance(rule, AllOf):
        return all(holds(item, row) for item in rule.items)
    if isinstance(rule, AnyOf):
        return any(holds(item, row) for item in rule.items)
    assert isinstance(rule, Comparison)
    value, wanted = row[rule.column], rule.value
    if rule.operator == "in":
        assert isinstance(wanted, tuple)
        return value in wanted
    if rule.operator == "ne":
        return value != wanted
    return value == wanted


def cube_holds(item: dict[str, Any], row: dict[str, int]) -> bool:
    if "or" in item:
        return any(cube_holds(part, row) for part in item["or"])
    if "and" in item:
        return all(cube_holds(part, row) for part in item["and"])
    found = row[item["member"]] in [int(value) for value in item["values"]]
    return found if item["operator"] == "equals" else not found


def cube_shows(rules: list[dict[str, Any]], held: set[str], wanted: set[str], row: Any) -> bool:
    """Cube's rule: a policy counts that covers every member of the query."""
    for rule in rules:
        if rule["group"] != "*" and rule["group"] not in held:
            continue
        members = set(rule.get("member_level", {}).get("includes", COLUMNS))
        filters = rule.get("row_level", {}).get("filters", [])
        if wanted <= members and all(cube_holds(item, row) for item in filters):
            return True
    return False


leaves = st.fixed_dictionaries(
    {
        "member": st.sampled_from(COLUMNS),
        "operator": st.sampled_from(["equals", "notEquals"]),
        "values": st.lists(st.sampled_from(["1", "2", 2]), min_size=1, max_size=2),
    }
)
filters = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.fixed_dictionaries({"or": st.lists(inner, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"and": st.lists(inner, min_size=1, max_size=3)}),
    ),
    max_leaves=5,
)
rules = st.fixed_dictionaries(
    {
        "group": st.sampled_from(["x", "y", "*"]),
        "member_level": st.fixed_dictionaries(
            {"includes": st.lists(st.sampled_from(COLUMNS), min_size=1, unique=True)}
        ),
    },
    # Most policies here have no row filter, so that it is their columns that meet.
    optional={
        "row_level": st.fixed_dictionaries({"filters": st.lists(filters, min_size=1, max_size=2)})
    },
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(rules, min_size=2, max_size=4), st.sets(st.sampled_from(["x", "y"])))
def test_no_caller_ever_sees_cells_side_by_side_that_cube_would_not_show(
    given_rules: list[dict[str, Any]], held: set[str]
) -> None:
    cube = {
        "name": "t",
        "sql_table": "s.t",
        "dimensions": [{"name": name, "sql": name, "type": "number"} for name in COLUMNS],
        "access_policy": given_rules,
    }
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "t.yaml"
        file.write_text(yaml.safe_dump({"cubes": [cube]}))
        made = import_semantic(file, Target("wh", "duckdb"))
    grants = [GrantSettings.model_validate(grant) for grant in made.grants]
    principal = Principal(
        issuer="i", subject="ann", kind="user", groups=frozenset(held), attributes={}
    )
    facts = catalog(made, "duckdb").facts["wh://wh/s.t"]
    access = Policy(grants, [], {}).table_access(principal, facts)
    if access is None:
        return
    for row in ROWS:
        if not holds(access.rows, row):
            continue
        shown = {
            name
            for name, column in access.columns.items()
            if any(holds(case.when, row) for case in column.cases)
        }
        assert not shown or cube_shows(given_rules, held, shown, row), (row, shown, made.grants)


def test_what_is_hidden_by_a_computed_word_stays_hidden(tmp_path: Path) -> None:
    text = CUBE.replace("public: false", 'public: "{ COMPILE_CONTEXT.x }"') + "  - {group: a}"
    made = from_text(tmp_path, text, Target("wh", "postgres"))
    assert "secret" not in made.grants[0]["columns"]["allow"]

    text = CUBE.replace("sql_table: shop", 'public: "{ x }"\n  sql_table: shop') + "  - {group: a}"
    assert from_text(tmp_path, text, Target("wh", "postgres")).grants == []


@pytest.mark.parametrize("place", ["model", "column", "rule"])
def test_a_key_of_wren_that_nobody_knows_makes_no_grant(place: str, tmp_path: Path) -> None:
    rule = {"name": "r", "requiredProperties": [], "condition": "b = 1"}
    column = {"name": "a", "type": "int"}
    model: dict[str, Any] = {
        "name": "t",
        "tableReference": {"schema": "s", "table": "t"},
        "columns": [column, {"name": "b", "type": "int"}],
        "rowLevelAccessControls": [rule],
    }
    text = yaml.safe_dump({"models": [model]})
    assert from_text(tmp_path, text).grants[0]["rows"] == {"b": {"eq": 1}}

    {"model": model, "column": column, "rule": rule}[place]["onlyFor"] = "admins"
    made = from_text(tmp_path, yaml.safe_dump({"models": [model]}))
    assert made.grants == []
    assert "t got no grant" in told([*made.policies])
