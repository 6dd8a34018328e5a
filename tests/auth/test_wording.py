"""Grants as people read them on a page: no ids, no SQL, and nothing that a call would refuse."""

from __future__ import annotations

from typing import Any

from saaf_autogen.auth.access import ColumnFacts, TableFacts
from saaf_autogen.auth.policy import Policy
from saaf_autogen.auth.principal import Principal
from saaf_autogen.auth.wording import grants_in_words
from tests.auth.rights import FACTS, client, deny, grant

PLANES = TableFacts("wh://nyc/main.planes", FACTS.columns)
ORDERS = TableFacts("wh://shop/sales.orders", FACTS.columns)
TABLES = [FACTS, PLANES, ORDERS]


def told(*grants: Any, who: Principal | None = None, rules: Any = (), **more: Any) -> list[str]:
    return grants_in_words(Policy(grants, rules, {}), who or client(), TABLES, **more)


def test_tables_that_are_seen_alike_share_a_sentence() -> None:
    assert told(grant("secret-id", resource="wh://*")) == [
        "flights and planes in nyc: all columns, all rows",
        "sales.orders in shop: all columns, all rows",
    ]


def test_rows_columns_masks_limits_and_approval_are_told() -> None:
    (sentence,) = told(
        grant(
            "g",
            columns={"mask": {"tailnum": "last4"}, "deny_tags": ["pii"]},
            rows={"carrier": {"eq": "$user.carrier"}},
            limits={"rows": 10_000, "required_filters": [["carrier", "origin"]]},
            approval="required",
        ),
        who=client(attributes={"carrier": "UA"}),
    )
    assert sentence == (
        "flights in nyc: all columns but email, only rows where carrier is UA; "
        "tailnum the last four characters alone; at most 10,000 rows a query; "
        "every query must narrow by carrier or origin; each query needs an approval"
    )


def test_few_columns_are_named() -> None:
    (sentence,) = told(grant("g", columns={"allow": ["carrier"]}))
    assert sentence == "flights in nyc: only carrier, all rows"


def test_a_column_of_some_rows_is_told_with_its_rows() -> None:
    (sentence,) = told(
        grant("a", columns={"allow": ["carrier", "origin"]}),
        grant("b", rows={"carrier": {"in": ["UA", "DL"]}}, columns={"mask": {"email": "redact"}}),
    )
    assert "tailnum in full where carrier is UA or DL" in sentence
    assert "email hidden behind a fixed text where carrier is UA or DL" in sentence


def test_details_of_the_token_narrow_the_words() -> None:
    details = ({"type": "saaf_data", "resource": FACTS.resource, "columns": {"allow": ["origin"]}},)
    sentences = told(grant("g", resource="wh://*"), who=client(token_grants=details))
    assert sentences == ["flights in nyc: only origin, all rows"]


def test_what_is_denied_is_not_promised() -> None:
    assert told(grant("g"), rules=[deny()]) == []
    assert told(grant("g"), rules=[deny(columns=["email"])]) == [
        "flights in nyc: all columns but email, all rows"
    ]
    assert told() == []


def test_other_resources_are_told_by_what_is_done() -> None:
    sentences = told(
        grant("a", resource="sheet://b1/*", verbs=["write", "read"]),
        grant("b", resource="slack://T1/C042", verbs=["read"], approval="required"),
        grant("c", resource="doc://secret", verbs=["read"]),
        rules=[deny("doc://*")],
    )
    assert sentences == [
        "Read and change everything in sheet://b1/",
        "Read slack://T1/C042; each time with an approval",
    ]


def test_a_detail_that_is_narrower_than_the_grant_is_told() -> None:
    details = ({"type": "saaf_data", "resource": "slack://T1/C042", "verbs": ["read"]},)
    who = client(token_grants=details)
    sentences = told(grant("a", resource="slack://T1/*", verbs=["read", "write"]), who=who)
    assert sentences == ["Read slack://T1/C042"]


def test_no_id_shows() -> None:
    secret = "do-not-tell"
    sentences = told(
        grant(secret, resource="wh://*"), grant(f"{secret}-2", resource="sheet://x", verbs=["read"])
    )
    assert sentences
    assert not any(secret in sentence for sentence in sentences)


def test_values_cannot_imitate_the_page() -> None:
    rows = {"carrier": {"eq": "UA\n\u202eadmin"}}
    (sentence,) = told(grant("g", rows=rows))
    assert sentence.isprintable()
    (sentence,) = told(grant("g", rows={"carrier": {"eq": "x" * 500}}))
    assert len(sentence) < 200


def test_long_lists_are_counted() -> None:
    wide = [TableFacts(f"wh://w{n}/main.t", (ColumnFacts("a", "VARCHAR"),)) for n in range(60)]
    policy = Policy([grant("g", resource="wh://*")], [], {})
    sentences = grants_in_words(policy, client(), wide, limit=10)
    assert len(sentences) == 10
    assert sentences[-1] == "and 51 more"
    many = [TableFacts(f"wh://w/main.t{n}", (ColumnFacts("a", "VARCHAR"),)) for n in range(60)]
    (one,) = grants_in_words(policy, client(), many)
    assert one.startswith("t0, t1, t2, t3, t4, t5 and 54 more in w:")
