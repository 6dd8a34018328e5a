"""Scopes, and what one party sees by its grants, case by case."""

from __future__ import annotations

import time
from typing import Any

import pytest

from saaf_autogen.auth.access import TRUE, ColumnCase, Comparison, TableFacts, all_of, any_of
from saaf_autogen.auth.grants import pattern
from saaf_autogen.auth.policy import AgentRights
from saaf_autogen.auth.principal import Actor, Principal
from saaf_autogen.errors import ConfigurationError, InsufficientScope
from tests.auth.rights import FACTS, FLIGHTS, acting, client, deny, grant, policy, seen, user, whole


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

    @pytest.mark.parametrize("text", ["wh://" + "*" * 12 + "~", "wh://" + "*n" * 12 + "~"])
    def test_a_pattern_of_many_stars_does_not_stop_the_host(self, text: str) -> None:
        begun = time.process_time()
        assert pattern(text).fullmatch("wh://" + "n" * 40) is None
        assert time.process_time() - begun < 1

    @pytest.mark.parametrize(
        ("text", "resource"),
        [("a://*b*b", "a://bb"), ("a://*bc*c", "a://bcbcc"), ("a://**x*", "a://x")],
    )
    def test_a_star_gives_what_it_took_to_the_part_after_it(self, text: str, resource: str) -> None:
        assert pattern(text).fullmatch(resource)

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

    def test_cases_that_can_never_decide_are_left_out(self) -> None:
        rules = policy(
            grant("a", columns={"mask": {"email": "null"}}, rows={"carrier": {"eq": "UA"}}),
            grant(
                "b",
                columns={"allow": ["email"]},
                rows={"carrier": {"eq": "UA"}},
                limits={"rows": 1},
            ),
            grant("c", rows={"origin": {"eq": "JFK"}}, columns={"allow": ["origin"]}),
        )
        access = whole(rules.table_access(client(), FACTS))
        assert access.columns["email"].cases == (ColumnCase(self.UA, None),)
        rules = policy(
            grant("a", columns={"allow": ["email"], "mask": {"email": "hash"}}),
            grant("b", columns={"mask": {"email": "null"}}, rows={"carrier": {"eq": "UA"}}),
        )
        access = whole(rules.table_access(client(), FACTS))
        assert access.columns["email"].cases == (ColumnCase(TRUE, "hash"),)

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
