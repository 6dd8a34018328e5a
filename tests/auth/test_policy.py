"""The algebra of rights, case by case, on the documented examples."""

from __future__ import annotations

from typing import Any

import pytest

from saaf_autogen.auth.access import (
    TRUE,
    ColumnCase,
    ColumnFacts,
    Comparison,
    TableAccess,
    TableFacts,
    all_of,
    any_of,
)
from saaf_autogen.auth.policy import AgentRights, Policy
from saaf_autogen.auth.principal import Actor, Principal
from saaf_autogen.errors import ConfigurationError, InsufficientScope
from saaf_autogen.settings import DenySettings, GrantSettings

FLIGHTS = "wh://nyc/main.flights"
FACTS = TableFacts(
    FLIGHTS,
    (
        ColumnFacts("carrier", "VARCHAR"),
        ColumnFacts("origin", "VARCHAR"),
        ColumnFacts("tailnum", "VARCHAR", frozenset({"confidential"})),
        ColumnFacts("email", "VARCHAR", frozenset({"pii"})),
    ),
)


def grant(name: str, /, to: Any = "*", resource: str = FLIGHTS, **more: Any) -> GrantSettings:
    return GrantSettings.model_validate({"id": name, "to": to, "resource": resource, **more})


def deny(resource: str = FLIGHTS, to: Any = "*", **more: Any) -> DenySettings:
    return DenySettings.model_validate({"to": to, "resource": resource, **more})


def client(name: str = "ann", **more: Any) -> Principal:
    return Principal(issuer="local", subject=f"client:{name}", client_id=name, **more)


def user(name: str = "ann", **more: Any) -> Principal:
    return Principal(issuer="https://idp", subject=name, kind="user", **more)


def acting(*agents: str, **more: Any) -> Principal:
    return client(actors=tuple(Actor(subject=f"agent:{name}") for name in agents), **more)


def policy(*rules: GrantSettings | DenySettings, **agents: AgentRights) -> Policy:
    grants = [rule for rule in rules if isinstance(rule, GrantSettings)]
    return Policy(grants, [rule for rule in rules if isinstance(rule, DenySettings)], agents)


def seen(access: TableAccess | None) -> list[str]:
    return [] if access is None else list(access.columns)


def whole(access: TableAccess | None) -> TableAccess:
    assert access is not None
    return access


class TestScopes:
    def test_an_agent_has_no_scope_that_its_caller_or_itself_lacks(self) -> None:
        rules = policy(flights=AgentRights(frozenset({"warehouse:query", "audit:read"})))
        principal = acting("flights", scopes=frozenset({"warehouse:query", "semantic:read"}))
        assert rules.effective_scopes(principal) == {"warehouse:query"}

    def test_every_agent_of_a_chain_narrows(self) -> None:
        rules = policy(
            one=AgentRights(frozenset({"warehouse:query", "semantic:read"})),
            two=AgentRights(frozenset({"semantic:read"})),
        )
        scopes = frozenset({"warehouse:query", "semantic:read"})
        assert rules.effective_scopes(acting("one", "two", scopes=scopes)) == {"semantic:read"}

    def test_an_unknown_agent_has_no_scopes(self) -> None:
        principal = acting("flights", scopes=frozenset({"warehouse:query"}))
        assert policy().effective_scopes(principal) == frozenset()

    def test_an_actor_of_an_unknown_kind_has_no_scopes(self) -> None:
        principal = client(scopes=frozenset({"a:b"}), actors=(Actor(subject="someone"),))
        assert policy().effective_scopes(principal) == frozenset()

    def test_editing_the_semantic_layer_implies_reading_it(self) -> None:
        principal = client(scopes=frozenset({"semantic:edit"}))
        assert policy().effective_scopes(principal) == {"semantic:edit", "semantic:read"}

    def test_a_refusal_names_every_missing_scope(self) -> None:
        with pytest.raises(InsufficientScope) as refusal:
            policy().require_scopes(
                client(scopes=frozenset({"b:b"})), ["c:c", "a:a", "b:b"], action="x.do"
            )
        assert refusal.value.missing == ("a:a", "c:c")
        policy().require_scopes(client(scopes=frozenset({"a:a"})), ["a:a"], action="x.do")


class TestAudience:
    @pytest.mark.parametrize(
        ("to", "principal", "expected"),
        [
            ("*", client(), True),
            ({"groups": ["g"]}, client(groups=frozenset({"g", "h"})), True),
            ({"groups": ["g"]}, client(groups=frozenset({"h"})), False),
            ({"groups": ["*"]}, client(), False),
            ({"groups": ["*"]}, client(groups=frozenset({"h"})), True),
            ({"clients": ["ann"]}, client(), True),
            ({"clients": ["*"]}, client(), True),
            ({"clients": ["ann"]}, user(), False),
            ({"clients": ["*"]}, user(), False),
            ({"users": ["ann"]}, user(), True),
            ({"users": ["https://idp|ann"]}, user(), True),
            ({"users": ["https://other|ann"]}, user(), False),
            ({"users": ["ann"]}, client(), False),
            ({"users": ["client:ann"]}, client(), False),
            ({"users": ["*"]}, client(), False),
            ({"agents": ["ann"]}, client(), False),
            ({"agents": ["*"]}, client(), False),
            ({}, client(), False),
        ],
    )
    def test_a_grant_reaches_whom_it_names(
        self, to: Any, principal: Principal, expected: bool
    ) -> None:
        access = policy(grant("g", to)).table_access(principal, FACTS)
        assert (access is not None) is expected

    def test_a_grant_to_an_agent_gives_its_caller_nothing(self) -> None:
        rules = policy(grant("g", {"agents": ["flights"]}), flights=AgentRights(frozenset()))
        assert rules.table_access(acting("flights"), FACTS) is None
        assert rules.table_access(client(), FACTS) is None


class TestResources:
    @pytest.mark.parametrize(
        ("resource", "expected"),
        [
            (FLIGHTS, True),
            ("wh://nyc/main.*", True),
            ("wh://*", True),
            ("wh://*/*", True),
            ("wh://nyc/main.flight", False),
            ("wh://nyc/main.flights2", False),
            ("wh://NYC/main.flights", False),
            ("wh://nyc/main?flights", False),
            ("wh://nyc/main.[a-z]lights", False),
            ("wh://nyc/mainxflights", False),
            ("sheet://nyc/main.flights", False),
        ],
    )
    def test_only_the_star_is_special_in_a_pattern(self, resource: str, expected: bool) -> None:
        rules = policy(grant("g", resource=resource))
        assert (rules.table_access(client(), FACTS) is not None) is expected

    def test_a_grant_speaks_of_its_verbs_only(self) -> None:
        rules = policy(grant("g", verbs=["read"]))
        assert rules.table_access(client(), FACTS) is None
        assert rules.table_access(client(), FACTS, "read") is not None


class TestColumns:
    def test_a_star_means_described_columns_without_denied_tags(self) -> None:
        rules = policy(grant("g", columns={"deny_tags": ["pii"]}))
        assert seen(rules.table_access(client(), FACTS)) == ["carrier", "origin", "tailnum"]

    def test_a_mask_does_not_reopen_a_column_with_a_denied_tag(self) -> None:
        rules = policy(
            grant("g", columns={"mask": {"email": "redact"}, "deny_tags": ["pii"]}),
            grant("h", columns={"allow": ["email"], "deny_tags": ["pii"]}),
        )
        assert "email" not in seen(rules.table_access(client(), FACTS))

    def test_a_tag_of_the_table_is_a_tag_of_all_its_columns(self) -> None:
        tagged = TableFacts(FLIGHTS, FACTS.columns, frozenset({"secret"}))
        rules = policy(grant("g", columns={"deny_tags": ["secret"]}))
        assert rules.table_access(client(), tagged) is None

    def test_an_allowed_column_that_is_not_described_is_invisible(self) -> None:
        rules = policy(grant("g", columns={"allow": ["carrier", "ghost", "*"]}))
        assert seen(rules.table_access(client(), FACTS)) == ["carrier"]

    def test_a_table_of_which_no_column_shows_does_not_exist(self) -> None:
        rules = policy(grant("g", columns={"allow": ["ghost"]}))
        assert rules.table_access(client(), FACTS) is None

    def test_a_mask_is_found_whatever_the_case_of_its_name(self) -> None:
        access = whole(
            policy(grant("g", columns={"mask": {"EMAIL": "hash"}})).table_access(client(), FACTS)
        )
        assert access.columns["email"].cases == (ColumnCase(TRUE, "hash"),)
        assert access.columns["email"].label == "masked"
        assert access.columns["carrier"].label == "full"


class TestRows:
    def test_attributes_of_the_principal_fill_the_filter(self) -> None:
        rules = policy(grant("g", rows={"carrier": {"eq": "$user.carrier"}, "origin": {"ne": "X"}}))
        access = whole(rules.table_access(client(attributes={"carrier": "UA"}), FACTS))
        carrier, origin = Comparison("carrier", "eq", "UA"), Comparison("origin", "ne", "X")
        assert access.rows == all_of(carrier, origin)
        assert access.columns["carrier"].cases == (ColumnCase(TRUE, None),)

    @pytest.mark.parametrize("operator", ["eq", "ne", "in", "lt", "lte", "gt", "gte"])
    def test_a_missing_attribute_gives_nothing_whatever_the_operator(self, operator: str) -> None:
        rules = policy(grant("g", rows={"carrier": {operator: "$user.carrier"}}))
        assert rules.table_access(client(), FACTS) is None

    def test_a_missing_attribute_leaves_other_grants_alone(self) -> None:
        rules = policy(
            grant("g", rows={"carrier": {"eq": "$user.carrier"}}),
            grant("h", rows={"origin": {"eq": "JFK"}}),
        )
        access = whole(rules.table_access(client(), FACTS))
        assert access.rows == Comparison("origin", "eq", "JFK")
        assert access.grants == ("h",)

    def test_a_list_attribute_fills_in(self) -> None:
        rules = policy(grant("g", rows={"carrier": {"in": ["AA", "$user.carriers", "AA"]}}))
        principal = client(attributes={"carriers": ("UA", "B6")})
        access = whole(rules.table_access(principal, FACTS))
        assert access.rows == Comparison("carrier", "in", ("AA", "UA", "B6"))

    def test_a_single_value_fills_in_as_a_list_of_one(self) -> None:
        rules = policy(grant("g", rows={"carrier": {"in": "$user.carrier"}}))
        access = whole(rules.table_access(client(attributes={"carrier": "UA"}), FACTS))
        assert access.rows == Comparison("carrier", "in", ("UA",))

    def test_an_empty_list_gives_nothing(self) -> None:
        rules = policy(grant("g", rows={"carrier": {"in": "$user.carriers"}}))
        assert rules.table_access(client(attributes={"carriers": ()}), FACTS) is None

    @pytest.mark.parametrize("operator", ["eq", "ne", "lt"])
    def test_a_list_attribute_with_another_operator_gives_nothing(self, operator: str) -> None:
        rules = policy(grant("g", rows={"carrier": {operator: "$user.carriers"}}))
        assert rules.table_access(client(attributes={"carriers": ("UA",)}), FACTS) is None

    @pytest.mark.parametrize(
        "rows",
        [
            {"carrier": {"eq": ["UA"]}},
            {"carrier": {"ne": ["UA"]}},
            {"carrier": {}},
            {"carrier": {"eq": "$usr.carrier"}},
            {"carrier": {"ne": "$user."}},
            {"carrier": {"in": ["UA", "$me"]}},
            {"carrier": {"lt": float("nan")}},
        ],
    )
    def test_a_filter_that_makes_no_sense_is_a_fault_of_the_configuration(self, rows: Any) -> None:
        with pytest.raises(ConfigurationError, match="carrier"):
            policy(grant("g", rows=rows))

    def test_two_dollars_stand_for_one(self) -> None:
        access = whole(
            policy(grant("g", rows={"carrier": {"eq": "$$user.x"}})).table_access(client(), FACTS)
        )
        assert access.rows == Comparison("carrier", "eq", "$user.x")

    def test_a_filter_may_test_a_column_that_the_grant_does_not_show(self) -> None:
        rules = policy(
            grant("g", columns={"allow": ["origin"]}, rows={"carrier": {"eq": "UA"}}),
            deny(columns=["carrier"]),
        )
        access = whole(rules.table_access(client(), FACTS))
        assert seen(access) == ["origin"]
        assert access.rows == Comparison("carrier", "eq", "UA")

    def test_a_filter_on_a_column_that_nobody_described_gives_nothing(self) -> None:
        rules = policy(grant("g", rows={"ghost": {"ne": "x"}}))
        assert rules.table_access(client(), FACTS) is None


class TestOneParty:
    UA, JFK = Comparison("carrier", "eq", "UA"), Comparison("origin", "eq", "JFK")

    def test_rows_add_up_and_each_column_shows_in_the_rows_of_a_grant_that_allows_it(self) -> None:
        rules = policy(
            grant("ua", columns={"allow": ["carrier"]}, rows={"carrier": {"eq": "UA"}}),
            grant("jfk", columns={"allow": ["carrier", "origin"]}, rows={"origin": {"eq": "JFK"}}),
        )
        access = whole(rules.table_access(client(), FACTS))
        assert access.rows == any_of(self.UA, self.JFK)
        assert access.columns["carrier"].cases == (ColumnCase(TRUE, None),)
        assert access.columns["origin"].cases == (ColumnCase(self.JFK, None),)
        assert access.grants == ("ua", "jfk")

    def test_where_grants_overlap_the_least_strict_mask_comes_first(self) -> None:
        rules = policy(
            grant("a", columns={"mask": {"email": "null"}}, rows={"carrier": {"eq": "UA"}}),
            grant("b", rows={"origin": {"eq": "JFK"}}),
            grant("c", columns={"mask": {"email": "hash"}}, rows={"origin": {"eq": "EWR"}}),
        )
        access = whole(rules.table_access(client(), FACTS))
        assert access.columns["email"].cases == (
            ColumnCase(self.JFK, None),
            ColumnCase(Comparison("origin", "eq", "EWR"), "hash"),
            ColumnCase(self.UA, "null"),
        )

    def test_the_least_limit_holds_and_one_approval_is_enough_to_ask(self) -> None:
        rules = policy(
            grant("a", rows={"carrier": {"eq": "UA"}}, limits={"rows": 10}),
            grant("b", rows={"origin": {"eq": "JFK"}}, limits={"rows": 5}, approval="required"),
        )
        access = whole(rules.table_access(client(), FACTS))
        assert access.max_rows == 5
        assert access.approval

    def test_a_grant_that_another_includes_puts_no_limit_and_no_approval_on_it(self) -> None:
        rules = policy(
            grant("all", approval="required", limits={"rows": 5}, columns={"allow": ["carrier"]}),
            grant("wide", {"groups": ["analysts"]}, limits={"rows": 100}),
        )
        access = whole(rules.table_access(client(groups=frozenset({"analysts"})), FACTS))
        assert (access.max_rows, access.approval, access.grants) == (100, False, ("wide",))
        narrow = whole(rules.table_access(client(), FACTS))
        assert (narrow.max_rows, narrow.approval) == (5, True)

    def test_a_grant_whose_columns_are_all_denied_gives_no_rows_either(self) -> None:
        rules = policy(
            grant("a", columns={"allow": ["email"]}),
            grant("b", columns={"allow": ["origin"]}, rows={"carrier": {"eq": "UA"}}),
            deny(columns=["EMAIL"]),
        )
        assert whole(rules.table_access(client(), FACTS)).rows == self.UA


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
