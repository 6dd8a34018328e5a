"""Laws of the algebra, on any grants: judged row by row and cell by cell."""

from __future__ import annotations

from itertools import product
from typing import Any, Literal

from hypothesis import given
from hypothesis import strategies as st

from saaf_autogen.auth.access import (
    AllOf,
    AnyOf,
    ColumnFacts,
    Predicate,
    TableAccess,
    TableFacts,
)
from saaf_autogen.auth.algebra import MASKS, meet
from saaf_autogen.auth.policy import AgentRights, Policy
from saaf_autogen.auth.principal import Actor, Principal
from saaf_autogen.settings import DenySettings, GrantSettings

RESOURCE = "wh://w/s.t"
COLUMNS = ("a", "b", "c")
TAGS = {"b": frozenset({"pii"}), "c": frozenset({"pii", "secret"})}
FACTS = TableFacts(
    RESOURCE, tuple(ColumnFacts(name, "VARCHAR", TAGS.get(name, frozenset())) for name in COLUMNS)
)
Row = dict[str, str | None]
ROWS: list[Row] = [
    dict(zip(COLUMNS, values, strict=True)) for values in product(("x", "y", None), repeat=3)
]
Seen = dict[str, Any] | None
"""A row as a principal sees it: mask by column, a column that shows NULL left out; None if not."""

values = st.sampled_from(["x", "y", "$user.own", "$user.many", "$user.missing"])
tests = st.one_of(
    st.fixed_dictionaries({"eq": values}),
    st.fixed_dictionaries({"ne": values}),
    st.fixed_dictionaries({"in": st.lists(values, max_size=2)}),
)
names = st.lists(st.sampled_from(COLUMNS), max_size=3, unique=True)
bodies = st.fixed_dictionaries(
    {},
    optional={
        "columns": st.fixed_dictionaries(
            {},
            optional={
                "allow": st.one_of(st.just("*"), names),
                "mask": st.dictionaries(
                    st.sampled_from(COLUMNS), st.sampled_from([mask for mask in MASKS if mask])
                ),
                "deny_tags": st.lists(st.sampled_from(["pii", "secret"]), max_size=1),
            },
        ),
        "rows": st.dictionaries(st.sampled_from(COLUMNS), tests, max_size=2),
        "limits": st.fixed_dictionaries({"rows": st.integers(1, 5)}),
        "approval": st.sampled_from(["none", "required"]),
    },
)
audiences = st.sampled_from(["*", {"groups": ["g"]}, {"clients": ["me"]}, {"agents": ["bot"]}])
attributes = st.fixed_dictionaries(
    {}, optional={"own": st.sampled_from(["x", "y"]), "many": st.sampled_from([(), ("x",)])}
)


@st.composite
def rules(draw: st.DrawFn) -> list[GrantSettings]:
    drawn = draw(st.lists(st.tuples(bodies, audiences), max_size=4))
    return [
        GrantSettings.model_validate({"id": f"g{index}", "to": to, "resource": RESOURCE, **body})
        for index, (body, to) in enumerate(drawn)
    ]


@st.composite
def details(draw: st.DrawFn) -> tuple[dict[str, Any], ...]:
    drawn = draw(st.lists(bodies, max_size=3))
    return tuple({"type": "saaf_data", "resource": RESOURCE, **body} for body in drawn)


@st.composite
def principals(draw: st.DrawFn) -> Principal:
    return Principal(
        issuer="local",
        subject="client:me",
        groups=draw(st.sampled_from([frozenset(), frozenset({"g"})])),
        attributes=draw(attributes),
    )


def holds(predicate: Predicate, row: Row) -> bool:
    if isinstance(predicate, AllOf):
        return all(holds(item, row) for item in predicate.items)
    if isinstance(predicate, AnyOf):
        return any(holds(item, row) for item in predicate.items)
    value, wanted = row[predicate.column], predicate.value
    if value is None:
        return False
    if predicate.operator == "in":
        return isinstance(wanted, tuple) and value in wanted
    return (value == wanted) is (predicate.operator == "eq")


def look(access: TableAccess | None, row: Row) -> Seen:
    """What the access shows of a row: the first case that holds decides."""
    if access is None or not holds(access.rows, row):
        return None
    seen = {}
    for name, column in access.columns.items():
        for case in column.cases:
            if holds(case.when, row):
                seen[name] = case.mask
                break
    return seen


def at_most(narrow: TableAccess | None, wide: TableAccess | None) -> bool:
    """Whether ``narrow`` shows nothing that ``wide`` does not show, and asks no less."""
    if narrow is None:
        return True
    if wide is None:
        return False
    for row in ROWS:
        less, more = look(narrow, row), look(wide, row)
        if less is None:
            continue
        if more is None or not less.keys() <= more.keys():
            return False
        if any(meet(mask, more[name]) != mask for name, mask in less.items()):
            return False
    limited = wide.max_rows is None or (
        narrow.max_rows is not None and narrow.max_rows <= wide.max_rows
    )
    return limited and (narrow.approval or not wide.approval)


def with_bot(principal: Principal) -> Principal:
    return principal.model_copy(update={"actors": (Actor(subject="agent:bot"),)})


BOT = {"bot": AgentRights(frozenset())}


@given(rules(), principals())
def test_an_acting_agent_never_widens(grants: list[GrantSettings], principal: Principal) -> None:
    policy = Policy(grants, [], BOT)
    assert at_most(
        policy.table_access(with_bot(principal), FACTS), policy.table_access(principal, FACTS)
    )


@given(rules(), principals(), details())
def test_details_of_a_token_never_widen(
    grants: list[GrantSettings], principal: Principal, given_details: tuple[dict[str, Any], ...]
) -> None:
    policy = Policy(grants, [], BOT)
    bound = principal.model_copy(update={"token_grants": given_details})
    assert at_most(policy.table_access(bound, FACTS), policy.table_access(principal, FACTS))
    assert at_most(policy.table_access(with_bot(bound), FACTS), policy.table_access(bound, FACTS))


@given(rules(), principals(), details(), st.one_of(st.none(), names), audiences, st.booleans())
def test_deny_always_wins(
    grants: list[GrantSettings],
    principal: Principal,
    given_details: tuple[dict[str, Any], ...],
    columns: list[str] | None,
    to: Literal["*"] | dict[str, list[str]],
    acts: bool,
) -> None:
    rule = DenySettings.model_validate({"to": to, "resource": "wh://*", "columns": columns})
    caller = principal.model_copy(update={"token_grants": given_details})
    caller = with_bot(caller) if acts else caller
    meant = to == "*" or (isinstance(to, dict) and "clients" in to)
    meant |= isinstance(to, dict) and "groups" in to and "g" in caller.groups
    meant |= isinstance(to, dict) and "agents" in to and acts
    before = Policy(grants, [], BOT).table_access(caller, FACTS)
    after = Policy(grants, [rule], BOT).table_access(caller, FACTS)
    if not meant:
        assert after == before
    elif columns is None:
        assert after is None
    elif after is not None:
        assert not after.columns.keys() & set(columns)
        assert before is not None


@given(principals(), details(), st.booleans())
def test_a_principal_without_grants_sees_nothing(
    principal: Principal, given_details: tuple[dict[str, Any], ...], acts: bool
) -> None:
    others = GrantSettings.model_validate(
        {"id": "o", "to": {"groups": ["x"], "users": ["*"], "agents": ["*"]}, "resource": "wh://*"}
    )
    caller = principal.model_copy(update={"token_grants": given_details})
    caller = with_bot(caller) if acts else caller
    assert Policy([], [], BOT).table_access(caller, FACTS) is None
    assert Policy([others], [], BOT).table_access(caller, FACTS) is None


def given_by(body: GrantSettings, principal: Principal, row: Row) -> Seen:
    """What one grant shows of one row, by the words of the design and not by our code."""
    for column, conditions in body.rows.items():
        for operator, operand in conditions.items():
            wanted: list[Any] = []
            for item in operand if isinstance(operand, list) else [operand]:
                if isinstance(item, str) and item.startswith("$user."):
                    value = principal.attributes.get(item.removeprefix("$user."))
                    if value is None or (isinstance(value, tuple) and operator != "in"):
                        return None
                    wanted += value if isinstance(value, tuple) else [value]
                else:
                    wanted.append(item)
            if row[column] is None or (row[column] in wanted) is (operator == "ne"):
                return None
    return {
        name: body.columns.mask.get(name)
        for name in COLUMNS
        if (body.columns.allow == "*" or name in body.columns.allow)
        and not TAGS.get(name, frozenset()) & set(body.columns.deny_tags)
    }


def one_party(bodies: list[GrantSettings], principal: Principal, row: Row) -> Seen:
    shown = [seen for body in bodies if (seen := given_by(body, principal, row))]
    if not shown:
        return None
    return {
        name: min((seen[name] for seen in shown if name in seen), key=MASKS.index)
        for name in COLUMNS
        if any(name in seen for seen in shown)
    }


@given(rules(), principals(), details())
def test_every_cell_is_shown_as_the_design_says(
    grants: list[GrantSettings], principal: Principal, given_details: tuple[dict[str, Any], ...]
) -> None:
    caller = principal.model_copy(update={"token_grants": given_details})
    access = Policy(grants, [], BOT).table_access(caller, FACTS)
    own = [
        grant
        for grant in grants
        if grant.to == "*"
        or "me" in grant.to.clients
        or not caller.groups.isdisjoint(grant.to.groups)
    ]
    token = [
        GrantSettings.model_validate(
            {**{key: item[key] for key in item if key != "type"}, "id": "t", "to": "*"}
        )
        for item in given_details
    ]
    for row in ROWS:
        mine, tokens = one_party(own, caller, row), one_party(token, caller, row)
        if mine is None or tokens is None:
            expected = None
        else:
            both = [name for name in COLUMNS if name in mine and name in tokens]
            expected = {name: meet(mine[name], tokens[name]) for name in both}
        # Rows of which nothing shows may be left out together with the table.
        assert look(access, row) == expected or (access is None and not expected)


@given(st.sampled_from(MASKS), st.sampled_from(MASKS), st.sampled_from(MASKS))
def test_masks_meet_whatever_the_order(first: Any, second: Any, third: Any) -> None:
    assert meet(first, second) == meet(second, first)
    assert meet(first, first) == first
    assert meet(meet(first, second), third) == meet(first, meet(second, third))
