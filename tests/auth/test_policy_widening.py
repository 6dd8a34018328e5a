"""On any rights: nothing that takes away gives, and an explanation is the decision."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from saaf_autogen.auth.access import TableAccess
from saaf_autogen.auth.algebra import meet
from saaf_autogen.auth.policy import AgentRights, Policy
from saaf_autogen.auth.principal import Actor, Principal
from saaf_autogen.settings import DenySettings, GrantSettings
from saaf_autogen.testing import ManualClock
from tests.auth.test_policy_properties import (
    BOT,
    FACTS,
    RESOURCE,
    ROWS,
    audiences,
    bodies,
    details,
    look,
    names,
    principals,
    rules,
    with_bot,
)

Details = tuple[dict[str, Any], ...]
when = st.dictionaries(
    st.sampled_from(["own", "many"]),
    st.fixed_dictionaries({"in": st.lists(st.sampled_from(["x", "y", "$user.own"]), max_size=2)}),
    max_size=1,
)
moments = st.sampled_from(["2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"])
windows = st.fixed_dictionaries(
    {},
    optional={
        "starts_at": st.sampled_from(["2024-01-01T00:00:00Z", "2026-06-01T00:00:00Z"]),
        "hours": st.fixed_dictionaries(
            {"days": st.lists(st.sampled_from(["thu", "fri"]), min_size=1, unique=True)}
        ),
        "tenant": st.sampled_from(["default", "other"]),
        "when": when,
    },
)


@st.composite
def rich_rules(draw: st.DrawFn) -> list[GrantSettings]:
    drawn = draw(st.lists(st.tuples(bodies, audiences, windows), max_size=5))
    return [
        GrantSettings.model_validate(
            {"id": f"g{index}", "to": to, "resource": RESOURCE, **body, **window}
        )
        for index, (body, to, window) in enumerate(drawn)
    ]


@st.composite
def denials(draw: st.DrawFn) -> DenySettings:
    columns = draw(st.one_of(st.none(), names))
    body = {"to": draw(audiences), "resource": "wh://*", "columns": columns}
    return DenySettings.model_validate({**body, "expires_at": draw(st.one_of(st.none(), moments))})


@st.composite
def callers(draw: st.DrawFn) -> Principal:
    principal = draw(principals())
    if draw(st.booleans()):
        principal = principal.model_copy(update={"token_grants": draw(details())})
    return with_bot(principal) if draw(st.booleans()) else principal


def decided(grants: list[GrantSettings], deny: list[DenySettings], caller: Principal) -> Any:
    return Policy(grants, deny, BOT, clock=ManualClock()).table_access(caller, FACTS)


def shows_at_most(narrow: TableAccess | None, wide: TableAccess | None) -> bool:
    """Whether each cell shows no more; limits, which are the least of all grants, are left out."""
    for row in ROWS:
        less, more = look(narrow, row), look(wide, row)
        if less and (more is None or not less.keys() <= more.keys()):
            return False
        if any(meet(mask, (more or {})[name]) != mask for name, mask in (less or {}).items()):
            return False
    return True


@settings(deadline=None)
@given(rich_rules(), callers())
def test_taking_a_grant_away_never_widens(grants: list[GrantSettings], caller: Principal) -> None:
    before = decided(grants, [], caller)
    for index, gone in enumerate(grants):
        left = [*grants[:index], *grants[index + 1 :]]
        after = decided(left, [], caller)
        if caller.actors and gone.to != "*" and gone.to.agents:
            # Without the last grant that names it, an agent is bound by its caller alone.
            alone = caller.model_copy(update={"actors": ()})
            assert shows_at_most(after, decided(left, [], alone))
        else:
            assert shows_at_most(after, before)


@settings(deadline=None)
@given(rich_rules(), st.lists(denials(), max_size=2), denials(), callers())
def test_another_deny_rule_never_widens(
    grants: list[GrantSettings], deny: list[DenySettings], more: DenySettings, caller: Principal
) -> None:
    before, after = decided(grants, deny, caller), decided(grants, [*deny, more], caller)
    assert shows_at_most(after, before)


@settings(deadline=None)
@given(rich_rules(), callers(), st.sampled_from(["agent:bot", "agent:near", "client:me", "x"]))
def test_another_actor_never_widens(
    grants: list[GrantSettings], caller: Principal, actor: str
) -> None:
    acted = caller.model_copy(update={"actors": (Actor(subject=actor), *caller.actors)})
    assert shows_at_most(decided(grants, [], acted), decided(grants, [], caller))


@settings(deadline=None)
@given(rules(), principals(), details(), details())
def test_fewer_details_of_a_token_never_widen(
    grants: list[GrantSettings], principal: Principal, some: Details, more: Details
) -> None:
    few, many = (
        principal.model_copy(update={"token_grants": each}) for each in (some, (*some, *more))
    )
    assert shows_at_most(decided(grants, [], few), decided(grants, [], many))
    assert shows_at_most(decided(grants, [], many), decided(grants, [], principal))


@settings(deadline=None)
@given(rich_rules(), st.lists(denials(), max_size=2), callers())
def test_an_explanation_is_the_decision(
    grants: list[GrantSettings], deny: list[DenySettings], caller: Principal
) -> None:
    agents = {"bot": AgentRights(frozenset(), None)}
    policy = Policy(grants, deny, agents, clock=ManualClock())
    access = policy.table_access(caller, FACTS)
    told = policy.explain(caller, RESOURCE, "select", FACTS)
    assert told.allowed == (access is not None)
    assert told.access == access
    assert told.reason == policy.table_decision(caller, FACTS).reason
    for sight in told.columns:
        shown = access is not None and sight.name in access.columns
        assert (sight.seen != "hidden") == shown
        assert bool(sight.withheld) != shown
        assert bool(sight.grants) == shown
        one = policy.explain(caller, RESOURCE, "select", FACTS, sight.name)
        assert one.allowed == shown
    whole = policy.explain(caller, "sheet://a/b", "read")
    assert whole.allowed == policy.resource_access(caller, "sheet://a/b", "read").allowed


@settings(deadline=None)
@given(rich_rules(), st.lists(denials(), max_size=2), callers())
def test_an_explanation_names_each_rule_of_the_tenant_for_each_party(
    grants: list[GrantSettings], deny: list[DenySettings], caller: Principal
) -> None:
    told = Policy(grants, deny, BOT, clock=ManualClock()).explain(caller, RESOURCE, "select", FACTS)
    mine = [grant.id for grant in grants if grant.tenant == caller.tenant]
    for party in told.evaluation.parties:
        if party.party.kind != "token" and not party.unbound and party.reaches:
            assert [ruling.grant.id for ruling in party.rulings] == mine
        for ruling in party.rulings:
            assert (ruling.share is None) == (ruling.why is not None) == bool(ruling.because)
    assert told.text(every_rule=True)
    assert told.data()["allowed"] == told.allowed
