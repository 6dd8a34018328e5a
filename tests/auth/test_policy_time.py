"""Windows, weekly hours, conditions on attributes, tenants; nothing outlives its window."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from saaf_autogen.actions.port import LocalPort
from saaf_autogen.auth.conditions import AttributeValue, attribute_tests
from saaf_autogen.auth.policy import AgentRights, Policy
from saaf_autogen.auth.principal import Actor, Principal
from saaf_autogen.auth.rules import RuleSet
from saaf_autogen.auth.windows import WeeklyHours
from saaf_autogen.errors import ConfigurationError, NotFound
from saaf_autogen.project.deployment import read_deployment
from saaf_autogen.project.project import Project
from saaf_autogen.settings import DenySettings, GrantSettings, Hours
from saaf_autogen.testing import ManualClock
from tests.auth.rights import FACTS, acting, client, deny, grant, policy, user

START = datetime(2026, 1, 1, tzinfo=UTC)
"""Where a ManualClock starts: a Thursday."""
BERLIN = ZoneInfo("Europe/Berlin")


def timed(clock: ManualClock, *rules: Any, **agents: AgentRights) -> Policy:
    grants = [rule for rule in rules if isinstance(rule, GrantSettings)]
    denials = [rule for rule in rules if isinstance(rule, DenySettings)]
    return Policy(grants, denials, agents, clock=clock)


def sees(rules: Policy, principal: Principal | None = None) -> bool:
    return rules.table_access(principal or client(), FACTS) is not None


class TestDates:
    def test_a_grant_holds_from_its_start_until_before_its_end(self) -> None:
        clock = ManualClock()
        ends = (START + timedelta(hours=2)).isoformat()
        starts = (START + timedelta(hours=1)).isoformat()
        rules = timed(clock, grant("g", starts_at=starts, expires_at=ends))
        held = []
        for step in (3599, 1, 3599, 1):
            clock.advance(step)
            held.append(sees(rules))
        assert held == [False, True, True, False]

    def test_a_deny_rule_ends_with_its_last_moment(self) -> None:
        clock = ManualClock()
        rules = timed(clock, grant("g"), deny(expires_at=(START + timedelta(hours=1)).isoformat()))
        assert not sees(rules)
        clock.advance(3600)
        assert sees(rules)

    def test_a_grant_that_ends_before_it_starts_is_no_grant(self) -> None:
        with pytest.raises(ConfigurationError, match="ends before it starts"):
            policy(grant("g", starts_at="2026-02-01T00:00Z", expires_at="2026-01-01T00:00Z"))

    def test_dates_count_in_every_zone_they_are_written_in(self) -> None:
        clock = ManualClock()
        rules = timed(clock, grant("g", starts_at="2026-01-01T01:00:00+01:00"))
        assert sees(rules)


def weekly(**more: Any) -> WeeklyHours:
    return WeeklyHours.of(Hours.model_validate(more))


def local(*moment: int, fold: int = 0) -> datetime:
    return datetime(*moment, tzinfo=BERLIN, fold=fold).astimezone(UTC)  # type: ignore[arg-type,misc]  # year to minute


class TestHours:
    OFFICE = {"start": "09:00", "end": "17:00", "zone": "Europe/Berlin"}
    NIGHT = {"days": ["fri"], "start": "22:00", "end": "06:00", "zone": "Europe/Berlin"}

    @pytest.mark.parametrize(
        ("moment", "expected"),
        [
            (local(2026, 1, 2, 8, 59), False),
            (local(2026, 1, 2, 9, 0), True),
            (local(2026, 1, 2, 16, 59), True),
            (local(2026, 1, 2, 17, 0), False),
            (local(2026, 1, 3, 12, 0), False),
            # The same hour in UTC is another one in summer.
            (datetime(2026, 1, 5, 7, 30, tzinfo=UTC), False),
            (datetime(2026, 7, 6, 7, 30, tzinfo=UTC), True),
        ],
    )
    def test_office_hours_are_those_of_the_zone(self, moment: datetime, expected: bool) -> None:
        assert weekly(**self.OFFICE).hold(moment) is expected

    @pytest.mark.parametrize(
        ("moment", "expected"),
        [
            (local(2026, 1, 2, 21, 59), False),
            (local(2026, 1, 2, 22, 0), True),
            (local(2026, 1, 3, 5, 59), True),
            (local(2026, 1, 3, 6, 0), False),
            # Saturday night is none of Friday's.
            (local(2026, 1, 3, 23, 0), False),
            (local(2026, 1, 2, 3, 0), False),
        ],
    )
    def test_hours_over_midnight_belong_to_the_day_they_start(
        self, moment: datetime, expected: bool
    ) -> None:
        assert weekly(**self.NIGHT).hold(moment) is expected

    def test_equal_bounds_are_a_whole_day_from_there(self) -> None:
        hours = weekly(days=["fri"], start="08:00", end="08:00", zone="UTC")
        at = [datetime(2026, 1, day, hour, tzinfo=UTC) for day, hour in ((2, 7), (2, 8), (3, 7))]
        assert [hours.hold(moment) for moment in at] == [False, True, True]
        assert not hours.hold(datetime(2026, 1, 3, 8, tzinfo=UTC))

    def test_an_hour_that_spring_skips_does_not_come(self) -> None:
        # On 2026-03-29 Berlin goes from 02:00 to 03:00.
        hours = weekly(days=["sun"], start="02:00", end="03:00", zone="Europe/Berlin")
        day = datetime(2026, 3, 28, 23, tzinfo=UTC)
        assert not any(hours.hold(day + timedelta(minutes=x)) for x in range(24 * 60))

    def test_an_hour_that_autumn_repeats_comes_twice(self) -> None:
        # On 2026-10-25 Berlin goes from 03:00 back to 02:00.
        hours = weekly(days=["sun"], start="02:00", end="03:00", zone="Europe/Berlin")
        day = datetime(2026, 10, 24, 22, tzinfo=UTC)
        assert sum(hours.hold(day + timedelta(minutes=x)) for x in range(25 * 60)) == 120

    def test_the_next_change_is_never_later_than_a_change(self) -> None:
        for hours in (weekly(**self.OFFICE), weekly(**self.NIGHT)):
            for first in (datetime(2026, 3, 28, tzinfo=UTC), datetime(2026, 10, 24, tzinfo=UTC)):
                held = [hours.hold(first + timedelta(seconds=20 * x)) for x in range(3 * 4320)]
                now, last = first, first + timedelta(days=3)
                while now < last:
                    until = hours.next_change(now)
                    assert now < until
                    index, end = ((at - first).total_seconds() / 20 for at in (now, until))
                    span = held[int(-(-index // 1)) : int(-(-end // 1))]
                    assert len(set(span)) <= 1
                    now = until

    @pytest.mark.parametrize("zone", ["Europe/Atlantis", "../../etc/passwd", ""])
    def test_a_zone_that_there_is_not_makes_no_grant(self, zone: str) -> None:
        with pytest.raises(ConfigurationError, match="no time zone"):
            policy(grant("g", hours={"zone": zone}))


def meets(when: Any, attributes: dict[str, AttributeValue]) -> bool:
    return all(test.why_not(attributes) is None for test in attribute_tests(when))


class TestWhen:
    @pytest.mark.parametrize(
        ("when", "attributes", "expected"),
        [
            ({"region": {"eq": "EU"}}, {"region": "EU"}, True),
            ({"region": {"eq": "EU"}}, {"region": "US"}, False),
            ({"region": {"ne": "EU"}}, {"region": "US"}, True),
            ({"region": {"in": ["EU", "US"]}}, {"region": "US"}, True),
            ({"region": {"in": []}}, {"region": "US"}, False),
            ({"level": {"gte": 3}}, {"level": 3}, True),
            ({"level": {"gt": 3, "lt": 9}}, {"level": 5}, True),
            ({"level": {"gt": 3, "lt": 5}}, {"level": 5}, False),
            ({"level": {"lte": 4.5}}, {"level": 4}, True),
            ({"since": {"lt": "2026-01-01"}}, {"since": "2025-06-30"}, True),
            ({"home": {"eq": "$user.region"}}, {"home": "EU", "region": "EU"}, True),
            ({"home": {"eq": "$user.region"}}, {"home": "EU", "region": "US"}, False),
            ({"home": {"in": "$user.regions"}}, {"home": "EU", "regions": ("EU", "US")}, True),
            ({"price": {"eq": "$$5"}}, {"price": "$5"}, True),
        ],
    )
    def test_attributes_are_compared(
        self, when: Any, attributes: dict[str, AttributeValue], expected: bool
    ) -> None:
        assert meets(when, attributes) is expected

    @pytest.mark.parametrize("operator", ["eq", "ne", "in", "lt", "lte", "gt", "gte"])
    @pytest.mark.parametrize("attributes", [{}, {"other": "EU"}, {"region": None}])
    def test_a_missing_attribute_meets_nothing(
        self, operator: str, attributes: dict[str, AttributeValue]
    ) -> None:
        operand = ["EU"] if operator == "in" else "EU"
        assert not meets({"region": {operator: operand}}, attributes)
        assert not meets({"other": {operator: "$user.region"}}, attributes)

    @pytest.mark.parametrize("operator", ["eq", "ne", "lt", "lte", "gt", "gte"])
    def test_a_list_meets_in_alone(self, operator: str) -> None:
        assert not meets({"regions": {operator: "EU"}}, {"regions": ("EU",)})
        assert not meets(
            {"region": {operator: "$user.regions"}}, {"region": "X", "regions": ("Y",)}
        )
        assert meets({"regions": {"in": ["EU"]}}, {"regions": ("US", "EU")})
        assert not meets({"regions": {"in": ["EU"]}}, {"regions": ()})

    @pytest.mark.parametrize("operator", ["eq", "ne", "in", "lt", "lte", "gt", "gte"])
    @pytest.mark.parametrize(("mine", "theirs"), [("1", 1), (1, "1"), (True, 1), (1, True)])
    def test_values_of_different_types_meet_nothing(
        self, operator: str, mine: AttributeValue, theirs: Any
    ) -> None:
        assert not meets({"level": {operator: theirs}}, {"level": mine})

    def test_a_grant_holds_for_those_who_meet_all_of_it(self) -> None:
        rules = policy(grant("g", when={"region": {"eq": "EU"}, "level": {"gte": 2}}))
        assert sees(rules, client(attributes={"region": "EU", "level": 2}))
        assert not sees(rules, client(attributes={"region": "EU", "level": 1}))
        assert not sees(rules, client(attributes={"level": 2}))

    @pytest.mark.parametrize(
        "when",
        [{"a": {}}, {"a": {"eq": ["x"]}}, {"a": {"eq": "$who.x"}}, {"a": {"gt": float("nan")}}],
    )
    def test_a_condition_without_sense_makes_no_grant(self, when: Any) -> None:
        with pytest.raises(ConfigurationError, match="when"):
            policy(grant("g", when=when))


class TestTenants:
    def test_a_grant_holds_in_its_tenant_alone(self) -> None:
        rules = policy(grant("g", tenant="acme"), grant("h", resource="wh://other/*"))
        assert sees(rules, client(tenant="acme"))
        assert not sees(rules, client())
        assert (
            rules.resource_access(client(tenant="acme"), "wh://other/x", "select").allowed is False
        )

    def test_a_deny_rule_without_tenant_holds_in_every_one(self) -> None:
        grants = (grant("g", tenant="acme"), grant("h"))
        assert not sees(policy(*grants, deny()), client(tenant="acme"))
        narrow = policy(*grants, deny(tenant="acme"))
        assert not sees(narrow, client(tenant="acme"))
        assert sees(narrow, client())

    def test_an_agent_is_bound_where_a_grant_of_that_tenant_names_it(self) -> None:
        rules = policy(
            grant("a", tenant="acme"),
            grant("b"),
            grant("bound", {"agents": ["bot"]}, "wh://other/*", tenant="acme"),
            bot=AgentRights(frozenset()),
        )
        assert sees(rules, acting("bot"))
        # The grants to everyone are the agent's too.
        assert sees(rules, acting("bot", tenant="acme"))
        held = policy(
            grant("a", {"clients": ["ann"]}, tenant="acme"),
            grant("bound", {"agents": ["bot"]}, "wh://other/*", tenant="acme"),
            bot=AgentRights(frozenset()),
        )
        assert not sees(held, acting("bot", tenant="acme"))


class TestAgents:
    def test_an_agent_stays_bound_when_the_grant_that_names_it_ends(self) -> None:
        clock = ManualClock()
        ends = (START + timedelta(hours=1)).isoformat()
        rules = timed(
            clock,
            grant("mine", {"clients": ["ann"]}),
            grant("its", {"agents": ["bot"]}, expires_at=ends),
            bot=AgentRights(frozenset()),
        )
        assert sees(rules, acting("bot"))
        clock.advance(3600)
        assert not sees(rules, acting("bot"))
        assert sees(rules)


class TestIssuers:
    HOME = frozenset({"https://here"})

    def rules(self, *grants: GrantSettings) -> Policy:
        return Policy(grants, [], {}, home=self.HOME)

    def principal(self, issuer: str, subject: str, kind: Any = "user") -> Principal:
        return Principal(issuer=issuer, subject=subject, kind=kind)

    def test_a_bare_name_means_nobody_of_another_issuer(self) -> None:
        rules = self.rules(grant("g", {"users": ["ann"], "clients": ["app"]}))
        for issuer, expected in (("https://here", True), ("https://evil", False)):
            assert sees(rules, self.principal(issuer, "ann")) is expected
            assert sees(rules, self.principal(issuer, "client:app", "client")) is expected

    def test_others_are_named_with_their_issuer(self) -> None:
        rules = self.rules(
            grant("g", {"users": ["https://idp|ann"], "clients": ["https://idp|app"]})
        )
        assert sees(rules, self.principal("https://idp", "ann"))
        assert sees(rules, self.principal("https://idp", "client:app", "client"))
        assert not sees(rules, self.principal("https://evil", "ann"))

    def test_a_client_of_another_issuer_that_acts_has_no_grants_of_ours(self) -> None:
        rules = self.rules(grant("g", {"users": ["*"]}), grant("h", {"clients": ["app"]}))
        acts = {"actors": (Actor(subject="client:app"),)}
        ours, theirs = (self.principal(f"https://{x}", "ann") for x in ("here", "evil"))
        assert sees(rules, ours.model_copy(update=acts))
        assert not sees(rules, theirs.model_copy(update=acts))

    def test_anyone_of_a_kind_is_anyone_of_any_issuer(self) -> None:
        assert sees(self.rules(grant("g", {"users": ["*"]})), user())


class TestEdition:
    def test_it_changes_when_a_rule_begins_and_when_it_ends(self) -> None:
        clock = ManualClock()
        rules = timed(
            clock,
            grant("g", hours={"days": ["thu"], "start": "01:00", "end": "02:00", "zone": "UTC"}),
        )
        found = [rules.edition()]
        for _ in range(5):
            clock.advance(1800)
            found.append(rules.edition())
        assert found == [0, 0, 1, 1, 2, 2]

    def test_it_stays_while_nothing_begins_or_ends(self) -> None:
        clock = ManualClock()
        rules = timed(clock, grant("g", starts_at="2020-01-01T00:00Z"), grant("h"))
        clock.advance(10**8)
        assert rules.edition() == 0

    def test_it_changes_with_the_rules(self) -> None:
        rules = policy(grant("g"))
        before = rules.edition()
        rules.replace(RuleSet())
        assert rules.edition() != before
        assert not sees(rules)

    def test_it_follows_a_clock_that_goes_back(self) -> None:
        clock = ManualClock()
        rules = timed(clock, grant("g", expires_at=(START + timedelta(hours=1)).isoformat()))
        first = rules.edition()
        clock.advance(3600)
        second = rules.edition()
        clock.advance(-3600)
        assert len({first, second, rules.edition()}) == 3
        assert sees(rules)


async def test_nothing_that_is_remembered_outlives_its_window(
    deployment: Path, tmp_path: Path
) -> None:
    """On a host: rows, metadata, and plans of queries that were made within the window."""
    folder = tmp_path / "nyc"
    settings = (deployment / "saaf.yaml").read_text()
    hours = "{days: [thu], start: '00:00', end: '01:00', zone: UTC}"
    folder.mkdir()
    for name in ("agents", "tools", "semantic"):
        (folder / name).symlink_to(deployment / name)
    (folder / "saaf.yaml").write_text(
        settings.replace(
            "    to: {groups: [analysts]}\n    resource: wh://nyc/main.*\n",
            f"    to: {{groups: [analysts]}}\n    resource: wh://nyc/main.*\n    hours: {hours}\n",
            1,
        )
    )
    clock = ManualClock()
    project = Project(read_deployment(folder), clock=clock)
    who = Principal(
        issuer="local",
        subject="client:analyst",
        groups=frozenset({"analysts"}),
        scopes=frozenset({"warehouse:query", "semantic:read"}),
    )
    saaf = LocalPort(project.invoker, who, door="python")
    query = {"sql": "SELECT COUNT(*) AS n FROM flights", "warehouse": "nyc"}
    try:
        assert (await saaf.call("warehouse.query", query)).value["rows"]
        assert (await saaf.call("semantic.list_tables", {})).value
        clock.advance(3600)
        with pytest.raises(NotFound):
            await saaf.call("warehouse.query", query)
        assert (await saaf.call("semantic.list_tables", {})).value == []
        clock.advance(7 * 86_400 - 3600)
        assert (await saaf.call("warehouse.query", query)).value["rows"]
    finally:
        await project.close()
