"""Who narrowed what, in data and in words."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from saaf_autogen.auth.access import ColumnFacts, TableFacts
from saaf_autogen.auth.explanation import Explanation
from saaf_autogen.auth.policy import AgentRights, Policy
from saaf_autogen.auth.principal import Principal
from saaf_autogen.settings import DenySettings, GrantSettings
from saaf_autogen.testing import ManualClock
from tests.auth.rights import FACTS, FLIGHTS, acting, client, deny, grant

TICKS = ManualClock(datetime(2026, 1, 1, 12, tzinfo=UTC))
BOT = {"bot": AgentRights(frozenset({"warehouse:query"}), ("wh://nyc/*",))}


def explain(
    *rules: GrantSettings | DenySettings, who: Principal | None = None, **more: Any
) -> Explanation:
    policy = Policy(
        [rule for rule in rules if isinstance(rule, GrantSettings)],
        [rule for rule in rules if isinstance(rule, DenySettings)],
        BOT,
        clock=TICKS,
    )
    resource, facts = more.pop("resource", FLIGHTS), more.pop("facts", FACTS)
    return policy.explain(who or client(), resource, "select", facts, **more)


def why(told: Explanation, grant_id: str, party: int = 0) -> tuple[str | None, str]:
    (found,) = [x for x in told.evaluation.parties[party].rulings if x.grant.id == grant_id]
    return found.why, found.because


@pytest.mark.parametrize(
    ("more", "code", "said"),
    [
        ({"to": {"groups": ["x"]}}, "audience", "for others"),
        ({"verbs": ["read"]}, "verb", "for read"),
        ({"resource": "wh://nyc/main.planes"}, "resource", "for wh://nyc/main.planes"),
        ({"starts_at": "2026-02-01T00:00Z"}, "window", "starts at 2026-02-01 00:00:00+00:00"),
        ({"expires_at": "2026-01-01T12:00Z"}, "window", "ended at 2026-01-01 12:00:00+00:00"),
        ({"hours": {"days": ["mon"], "start": "08:00", "end": "09:30"}}, "window",
         "hours are mon, 08:00 to 09:30 (UTC)"),
        ({"when": {"region": {"eq": "EU"}}}, "when", "attribute region is missing"),
        ({"when": {"level": {"gt": 3}}}, "when", "attribute level is not as asked"),
        ({"when": {"teams": {"eq": "a"}}}, "when", "is a list, which eq never meets"),
        ({"columns": {"allow": ["nothing"]}}, "columns", "none of its columns"),
        ({"rows": {"carrier": {"eq": "$user.carrier"}}}, "rows", "depend on the attribute carrier"),
        ({"rows": {"airline": {"eq": "UA"}}}, "rows", "airline, which is not described"),
        ({"rows": {"carrier": {"in": []}}}, "rows", "leaves no rows"),
    ],
)  # fmt: skip
def test_a_grant_that_gives_nothing_says_why(more: Any, code: str, said: str) -> None:
    who = client(attributes={"level": 2, "teams": ("a",)})
    body = {"to": "*", "resource": FLIGHTS, **more}
    told = explain(GrantSettings.model_validate({"id": "g", **body}), who=who)
    assert not told.allowed
    found, because = why(told, "g")
    assert (found, said in because) == (code, True), because


def test_a_grant_that_adds_nothing_says_so() -> None:
    told = explain(grant("wide"), grant("narrow", columns={"allow": ["carrier"]}))
    assert why(told, "narrow") == ("covered", "another grant of this party gives all of it")


def test_each_party_tells_what_it_narrowed() -> None:
    details = ({"type": "saaf_data", "resource": FLIGHTS, "rows": {"carrier": {"eq": "UA"}}},)
    told = explain(
        grant("mine", {"clients": ["ann"]}, columns={"mask": {"email": "hash"}}),
        grant("its", {"agents": ["bot"]}, columns={"allow": ["carrier", "email"]}),
        deny(id="no-origins", columns=["origin"]),
        who=acting("bot", token_grants=details),
    )
    subject, agent, token = told.data()["parties"]
    assert subject["sees"]["columns"] == ["carrier", "tailnum", "email"]
    assert subject["grants"][0]["gives"]["masks"] == {"email": "hash"}
    assert subject["grants"][0]["withheld"] == {"origin": "deny"}
    assert agent["sees"]["columns"] == ["carrier", "email"]
    assert token["sees"]["rows"] == "carrier is UA"
    seen = {column["name"]: column for column in told.data()["columns"]}
    assert seen["carrier"]["grants"] == ["mine", "its", "token-0"]
    assert seen["email"]["cases"] == [{"rows": "all rows", "mask": "hash"}]
    assert seen["tailnum"]["withheld"] == ["its of agent:bot does not list it"]
    assert seen["origin"]["withheld"] == ["the deny rule no-origins hits it"]


def test_what_holds_a_column_back_is_named_by_its_tag() -> None:
    told = explain(grant("g", columns={"deny_tags": ["pii", "confidential"]}), column="email")
    assert told.reason == "email is hidden: g of client:ann holds back what is tagged pii."


def test_out_of_reach_is_told() -> None:
    facts = TableFacts("wh://lax/main.x", (ColumnFacts("a", "VARCHAR"),))
    told = explain(
        grant("g", resource="wh://*"), who=acting("bot"), facts=facts, resource=facts.resource
    )
    assert told.reason == "wh://lax/main.x is out of reach for agent:bot."
    assert told.columns[0].withheld == ("the table is out of reach for agent:bot",)
    assert "agent:bot: out of its reach" in told.text()


def test_scopes_are_part_of_the_answer() -> None:
    who = acting("bot", scopes=frozenset({"semantic:read"}))
    told = explain(grant("g"), who=who, scopes=["warehouse:query"], action="warehouse.query")
    assert not told.allowed
    assert told.reason == "The scope warehouse:query is missing: the token does not hold it."
    assert [share["missing"] for share in told.data()["scopes"]] == [["warehouse:query"], []]
    held = client(scopes=frozenset({"warehouse:query"}))
    assert explain(grant("g"), who=held, scopes=["warehouse:query"]).allowed


def test_an_agent_that_is_unknown_holds_nothing() -> None:
    who = acting("stranger", scopes=frozenset({"warehouse:query"}))
    told = explain(grant("g"), who=who, scopes=["warehouse:query"])
    assert "agent:stranger does not hold it" in told.reason


def test_a_column_that_nobody_described_is_seen_by_nobody() -> None:
    told = explain(grant("g"), column="wingspan")
    assert not told.allowed
    assert told.reason == "wingspan is hidden: it is not described, so nobody sees it."


def test_other_tenants_are_not_told_of() -> None:
    theirs = grant("theirs", tenant="acme")
    told = explain(grant("mine"), theirs, deny(id="d", tenant="acme", columns=["email"]))
    assert "theirs" not in json.dumps(told.data())
    assert told.data()["deny"] == []


def test_a_deny_rule_that_misses_says_why() -> None:
    told = explain(
        grant("g"),
        deny(id="late", expires_at="2025-01-01T00:00Z"),
        deny(id="else", resource="wh://nyc/main.planes"),
        deny(id="others", to={"groups": ["x"]}),
        deny(id="columns", columns=["wingspan"]),
    )
    assert told.allowed
    found = {each["id"]: each["why"] for each in told.data()["deny"]}
    assert found == {
        "late": "window", "else": "resource", "others": "audience", "columns": "columns",
    }  # fmt: skip


def test_conditions_are_told_in_words() -> None:
    told = explain(
        grant("all", rows={"origin": {"in": ["JFK", "LGA"]}}, columns={"allow": ["carrier"]}),
        grant("own", rows={"carrier": {"ne": "UA"}}, limits={"rows": 5000}),
    )
    (carrier,) = [sight for sight in told.columns if sight.name == "carrier"]
    assert carrier.cases == (("all rows", None),)
    (email,) = [sight for sight in told.columns if sight.name == "email"]
    assert email.cases == (("carrier is not UA", None),)
    data = told.data()["sees"]
    assert data["rows"] == "origin is JFK or LGA or carrier is not UA"
    assert data["limits"] == ["at most 5,000 rows a query"]


def test_the_data_is_json() -> None:
    told = explain(grant("g", rows={"carrier": {"eq": "UA"}}), deny(columns=["email"]))
    assert json.loads(json.dumps(told.data())) == told.data()


def test_the_text_shows_what_matters_and_counts_the_rest() -> None:
    told = explain(
        grant("own", rows={"carrier": {"eq": "UA"}}, columns={"deny_tags": ["pii"]}),
        grant("old", expires_at="2020-01-01T00:00Z"),
        grant("theirs", {"groups": ["x"]}),
        grant("planes", resource="wh://nyc/main.planes"),
    )
    assert told.text().splitlines() == [
        "✓ client:ann may select wh://nyc/main.flights",
        "  Granted by own.",
        "",
        "✓ client:ann: 3 of 4 columns, rows where carrier is UA",
        "    ✓ own                    rows where carrier is UA; without email",
        "    ✗ old                    it ended at 2020-01-01 00:00:00+00:00",
        "    · 2 more grants are for others, or for other resources",
        "",
        "Columns",
        "  ✓ in full, by own",
        "      carrier, origin, tailnum",
        "  ✗ hidden: own of client:ann holds back what is tagged pii; old of client:ann gives "
        "nothing: it ended at 2020-01-01 00:00:00+00:00",
        "      email",
    ]
    assert "it is for others" in told.text(every_rule=True)


def test_a_resource_that_is_no_table_is_explained() -> None:
    policy = Policy(
        [
            grant("whole", resource="sheet://a/*", verbs=["read"]),
            grant("part", resource="sheet://a/*", verbs=["read"], rows={"x": {"eq": 1}}),
        ],
        [],
        BOT,
    )
    told = policy.explain(client(), "sheet://a/b", "read")
    assert told.allowed
    assert why(told, "part") == ("part", "it holds parts back, which only a table has")
    assert "✓ client:ann: all of it" in told.text()
