"""What several parties see together, deny rules, and resources that are no tables."""

from __future__ import annotations

from typing import Any

import pytest

from saaf_autogen.auth.access import TRUE, ColumnCase, Comparison, TableFacts, all_of
from saaf_autogen.auth.policy import AgentRights
from saaf_autogen.auth.principal import Actor, Principal
from tests.auth.rights import FACTS, FLIGHTS, acting, client, deny, grant, policy, seen, whole


class TestParties:
    UA = {"carrier": {"eq": "UA"}}

    def test_an_agent_without_resources_reaches_as_far_as_its_caller(self) -> None:
        rules = policy(grant("g", {"clients": ["ann"]}), flights=AgentRights(frozenset()))
        assert rules.table_access(acting("flights"), FACTS) == rules.table_access(client(), FACTS)

    def test_an_agents_resources_bound_what_it_reaches(self) -> None:
        rules = policy(
            grant("g"),
            near=AgentRights(frozenset(), ("wh://nyc/main.*",)),
            far=AgentRights(frozenset(), ("wh://nyc/other.*",)),
            none=AgentRights(frozenset(), ()),
        )
        assert rules.table_access(acting("near"), FACTS) is not None
        assert rules.table_access(acting("far"), FACTS) is None
        assert rules.table_access(acting("none"), FACTS) is None
        assert rules.table_access(acting("near", "far"), FACTS) is None

    def test_an_unknown_agent_sees_nothing(self) -> None:
        rules = policy(grant("g"), grant("h", {"agents": ["*"]}))
        assert rules.table_access(acting("stranger"), FACTS) is None
        assert not rules.resource_access(acting("stranger"), "sheet://a/b", "read").allowed

    def test_an_agent_that_is_named_has_only_the_grants_that_mean_it(self) -> None:
        rules = policy(
            grant("g", {"clients": ["ann"]}, limits={"rows": 50}),
            grant(
                "h",
                {"agents": ["flights"]},
                columns={"allow": ["carrier", "email"], "mask": {"email": "redact"}},
                rows=self.UA,
                limits={"rows": 70},
                approval="required",
            ),
            grant("other", {"clients": ["ann"]}, "wh://nyc/main.planes"),
            flights=AgentRights(frozenset()),
        )
        access = whole(rules.table_access(acting("flights"), FACTS))
        assert seen(access) == ["carrier", "email"]
        assert access.rows == Comparison("carrier", "eq", "UA")
        assert access.columns["email"].cases == (ColumnCase(TRUE, "redact"),)
        assert (access.max_rows, access.approval) == (50, True)
        assert access.grants == ("g", "h")
        planes = TableFacts("wh://nyc/main.planes", FACTS.columns)
        assert rules.table_access(acting("flights"), planes) is None
        assert rules.table_access(client(), planes) is not None

    def test_a_token_with_details_is_bound_by_them(self) -> None:
        rules = policy(grant("g", rows={"origin": {"eq": "JFK"}}))
        details = ({"type": "saaf_data", "resource": "wh://nyc/*", "rows": self.UA},)
        access = whole(rules.table_access(client(token_grants=details), FACTS))
        assert access.rows == all_of(
            Comparison("origin", "eq", "JFK"), Comparison("carrier", "eq", "UA")
        )
        assert access.grants == ("g", "token-0")

    @pytest.mark.parametrize(
        "details",
        [
            (),
            ({"type": "saaf_data", "resource": "wh://nyc/main.planes"},),
            ({"type": "other", "resource": FLIGHTS},),
            ({"type": "saaf_data"},),
            ({"type": "saaf_data", "resource": FLIGHTS, "unknown": 1},),
            ({"type": "saaf_data", "resource": FLIGHTS, "rows": {"carrier": {"eq": ["UA"]}}},),
            ({"type": "saaf_data", "resource": FLIGHTS, "rows": {"carrier": {"eq": "$user.x"}}},),
        ],
    )
    def test_details_that_give_nothing_leave_nothing(self, details: Any) -> None:
        access = policy(grant("g")).table_access(client(token_grants=details), FACTS)
        assert access is None

    def test_details_never_widen(self) -> None:
        details = ({"type": "saaf_data", "resource": "wh://*"},)
        assert policy().table_access(client(token_grants=details), FACTS) is None

    @pytest.mark.parametrize(
        ("mine", "theirs", "both"),
        [
            ("hash", "redact", "redact"),
            ("redact", "null", "null"),
            ("year", "year", "year"),
            ("last4", "year", "redact"),
            ("hash", "last4", "redact"),
        ],
    )
    def test_masks_of_two_parties_show_no_more_than_either(
        self, mine: Any, theirs: Any, both: Any
    ) -> None:
        rules = policy(grant("g", columns={"mask": {"email": mine}}))
        columns = {"mask": {"email": theirs}}
        details = ({"type": "saaf_data", "resource": FLIGHTS, "columns": columns},)
        access = whole(rules.table_access(client(token_grants=details), FACTS))
        assert access.columns["email"].cases == (ColumnCase(TRUE, both),)

    def test_an_acting_client_is_bound_by_the_grants_that_mean_it(self) -> None:
        rules = policy(grant("g", {"clients": ["ann"]}), grant("h", {"clients": ["bob"]}))
        bob = client(actors=(Actor(subject="client:bob"),))
        eve = client(actors=(Actor(subject="client:eve"),))
        assert rules.table_access(bob, FACTS) is not None
        assert rules.table_access(eve, FACTS) is None


class TestDeny:
    def test_a_denied_table_does_not_exist(self) -> None:
        rules = policy(grant("g"), deny("wh://*/*"))
        assert rules.table_access(client(), FACTS) is None

    @pytest.mark.parametrize("resource", ["WH://NYC/MAIN.Flights", "wh://nyc/MAIN.*"])
    def test_a_deny_rule_holds_whatever_the_case(self, resource: str) -> None:
        rule = deny(resource.replace("WH", "wh"), columns=["E*"])
        assert seen(policy(grant("g"), rule).table_access(client(), FACTS)) == [
            "carrier",
            "origin",
            "tailnum",
        ]

    def test_a_deny_rule_reaches_the_agent_that_acts(self) -> None:
        rules = policy(
            grant("g"),
            deny(to={"agents": ["flights"]}),
            flights=AgentRights(frozenset()),
        )
        assert rules.table_access(acting("flights"), FACTS) is None
        assert rules.table_access(client(), FACTS) is not None

    def test_no_detail_and_no_grant_to_the_agent_reopens_what_is_denied(self) -> None:
        rules = policy(
            grant("g"),
            grant("h", {"agents": ["flights"]}, columns={"allow": ["email"]}),
            deny(to={"groups": ["g"]}, columns=["email"]),
            flights=AgentRights(frozenset()),
        )
        details = ({"type": "saaf_data", "resource": FLIGHTS, "columns": {"allow": ["email"]}},)
        principal = acting("flights", groups=frozenset({"g"}), token_grants=details)
        assert rules.table_access(principal, FACTS) is None


class TestOtherResources:
    SHEET = "sheet://budget/2026"

    def test_nothing_is_allowed_without_a_grant(self) -> None:
        decision = policy().resource_access(client(), self.SHEET, "read")
        assert not decision.allowed
        assert self.SHEET in decision.reason

    def test_a_decision_names_its_grants_limit_and_approval(self) -> None:
        rules = policy(
            grant(
                "g",
                resource="sheet://budget/*",
                verbs=["read", "write"],
                limits={"rows": 9},
                approval="required",
            )
        )
        decision = rules.resource_access(client(), self.SHEET, "write")
        assert decision.allowed
        assert (decision.grants, decision.max_rows, decision.approval) == (("g",), 9, True)
        assert not rules.resource_access(client(), self.SHEET, "select").allowed

    @pytest.mark.parametrize(
        "part",
        [
            {"rows": {"a": {"eq": 1}}},
            {"columns": {"allow": ["a"]}},
            {"columns": {"mask": {"a": "null"}}},
            {"columns": {"deny_tags": ["pii"]}},
        ],
    )
    def test_a_grant_of_a_part_gives_nothing_where_parts_cannot_be_told(self, part: Any) -> None:
        rules = policy(grant("g", resource="sheet://*", verbs=["read"], **part))
        assert not rules.resource_access(client(), self.SHEET, "read").allowed

    def test_agent_token_and_deny_rules_bound_it_too(self) -> None:
        rules = policy(
            grant("g", resource="sheet://*", verbs=["read"]),
            deny("sheet://secret/*"),
            deny("sheet://*/salaries", columns=["amount"]),
            near=AgentRights(frozenset(), ("sheet://budget/*",)),
            far=AgentRights(frozenset(), ("wh://*",)),
        )

        def allowed(principal: Principal, resource: str = self.SHEET) -> bool:
            return rules.resource_access(principal, resource, "read").allowed

        details = ({"type": "saaf_data", "resource": "sheet://other/*", "verbs": ["read"]},)
        assert allowed(client())
        assert allowed(acting("near"))
        assert not allowed(acting("far"))
        assert not allowed(client(token_grants=details))
        assert not allowed(client(), "sheet://secret/x")
        assert not allowed(client(), "sheet://hr/salaries")


def test_decisions_on_tables_say_why() -> None:
    rules = policy(
        grant("g", {"groups": ["a"]}),
        deny("wh://nyc/main.planes"),
        far=AgentRights(frozenset(), ("wh://x/*",)),
    )
    member = client(groups=frozenset({"a"}))
    assert rules.table_decision(member, FACTS).reason == "Granted by g."
    assert "No grant of client:ann" in rules.table_decision(client(), FACTS).reason
    planes = TableFacts("wh://nyc/main.planes", FACTS.columns)
    assert "deny rule" in rules.table_decision(member, planes).reason
    distant = member.model_copy(update={"actors": (Actor(subject="agent:far"),)})
    assert "out of reach for agent:far" in rules.table_decision(distant, FACTS).reason
