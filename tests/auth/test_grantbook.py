"""Declared and managed rules as one: who wins, what is refused, what a broken row does."""

from __future__ import annotations

import json
import logging
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text

from saaf_autogen.auth.declared_rules import DeclaredRules
from saaf_autogen.auth.grantbook import GrantBook
from saaf_autogen.auth.policy import AgentRights, Policy
from saaf_autogen.auth.principal import Principal
from saaf_autogen.auth.revisions import Revisions
from saaf_autogen.auth.tables import GrantRow
from saaf_autogen.db import Database
from saaf_autogen.errors import Conflict, InvalidArguments, NotFound, PreconditionFailed
from saaf_autogen.settings import DenySettings, GrantSettings, Settings, parse_document
from saaf_autogen.testing import ManualClock
from tests.auth.rights import FACTS, FLIGHTS, acting, client, user

YAML = """\
version: 1
tenants: [default, acme]
warehouses:
  nyc: {engine: duckdb, path: x.duckdb}
clients:
  - id: app
    scopes: []
    groups: [analysts]
grants:
  - id: declared
    to: {groups: [analysts]}
    resource: wh://nyc/main.flights
    columns: {allow: [carrier]}
  - {id: of-acme, tenant: acme, to: "*", resource: "wh://nyc/main.flights"}
deny:
  - {to: "*", resource: "wh://nyc/main.flights", columns: [email]}
  - {id: no-planes, to: "*", resource: "wh://nyc/main.planes"}
"""
ANALYST = client(groups=frozenset({"analysts"}))


class Shelf:
    """A book with its policy, as a host has them; ``again`` is another process."""

    def __init__(self, database: Database, clock: ManualClock, yaml: str = YAML) -> None:
        document = parse_document(yaml, Path("saaf.yaml"))
        settings = document.validate(Settings)
        assert settings is not None, document.findings
        agents = {"bot": AgentRights(frozenset())}
        self.database, self.clock = database, clock
        self.policy = Policy(settings.grants, settings.deny, agents, clock=clock)
        declared = DeclaredRules.of(settings, document, agents=agents, tables={FLIGHTS: FACTS})
        self.book = GrantBook(database, clock, self.policy, declared)
        self.book.load()

    def again(self, yaml: str = YAML) -> Shelf:
        return Shelf(self.database, self.clock, yaml)

    def sees(self, principal: Principal = ANALYST) -> list[str]:
        access = self.policy.table_access(principal, FACTS)
        return [] if access is None else list(access.columns)

    def add(self, rule: GrantSettings | DenySettings) -> None:
        self.book.add(rule, by="usr_admin")
        self.book.load()

    def store(self, rule_id: str, kind: str, body: str, tenant: str = "default") -> None:
        """A row as somebody with a database client writes it."""
        with self.database.transaction() as session:
            session.execute(
                text(
                    "INSERT INTO grants (tenant, id, kind, body, version, created_by, created_at,"
                    " updated_at) VALUES (:tenant, :id, :kind, :body, 1, 'hand', :at, :at)"
                ),
                {"tenant": tenant, "id": rule_id, "kind": kind, "body": body, "at": self.now()},
            )
        self.book.load()

    def now(self) -> str:
        return self.clock.now().strftime("%Y-%m-%d %H:%M:%S.%f")


@pytest.fixture(params=["sqlite", "postgres"])
def shelf(request: pytest.FixtureRequest) -> Shelf:
    name = "database" if request.param == "sqlite" else "postgres"
    return Shelf(request.getfixturevalue(name), ManualClock())


@pytest.fixture
def small(database: Database) -> Shelf:
    return Shelf(database, ManualClock())


def rule(rule_id: str = "extra", **more: Any) -> GrantSettings:
    body = {"id": rule_id, "to": {"groups": ["analysts"]}, "resource": FLIGHTS, **more}
    return GrantSettings.model_validate(body)


def denial(rule_id: str = "never", **more: Any) -> DenySettings:
    body = {"id": rule_id, "tenant": "default", "to": "*", "resource": FLIGHTS, **more}
    return DenySettings.model_validate(body)


class TestManaged:
    def test_a_grant_gives_until_it_is_removed(self, shelf: Shelf) -> None:
        assert shelf.sees() == ["carrier"]
        shelf.add(rule())
        assert shelf.sees() == ["carrier", "origin", "tailnum"]
        shelf.book.remove("extra")
        shelf.book.load()
        assert shelf.sees() == ["carrier"]

    def test_a_deny_rule_denies(self, small: Shelf) -> None:
        small.add(denial(columns=["carrier"]))
        assert small.sees() == []

    def test_what_it_says_is_kept_and_read_back(self, shelf: Shelf) -> None:
        full = rule(
            columns={"allow": ["origin"], "mask": {"origin": "hash"}},
            rows={"carrier": {"in": ["UA", "$user.carrier"]}},
            limits={"rows": 5, "required_filters": [["carrier"]]},
            approval="required",
            starts_at="2026-01-01T00:00:00Z",
            expires_at="2027-01-01T00:00:00+01:00",
            hours={"days": ["mon"], "start": "22:00", "end": "06:00", "zone": "Europe/Berlin"},
            when={"level": {"gte": 3}},
        )
        assert shelf.book.add(full, by="usr_admin").rule == full
        record = shelf.book.get("extra")
        assert record.rule == full
        assert (record.origin, record.kind, record.created_by) == ("managed", "grant", "usr_admin")
        assert record.warnings == ()

    def test_a_change_needs_the_version_that_was_read(self, shelf: Shelf) -> None:
        shelf.add(rule())
        changed = shelf.book.change(rule(columns={"allow": ["origin"]}), expected=1)
        assert changed.version == 2
        with pytest.raises(PreconditionFailed):
            shelf.book.change(rule(), expected=1)
        with pytest.raises(PreconditionFailed):
            shelf.book.remove("extra", expected=1)
        shelf.book.load()
        assert shelf.sees() == ["carrier", "origin"]

    def test_a_rule_of_the_other_kind_is_not_changed_into_this_one(self, small: Shelf) -> None:
        small.add(rule("x"))
        with pytest.raises(Conflict, match="is a grant"):
            small.book.change(denial("x"))

    def test_an_expired_grant_gives_nothing_and_says_so(self, small: Shelf) -> None:
        ends = (small.clock.now() + timedelta(hours=1)).isoformat()
        begins = (small.clock.now() + timedelta(hours=2)).isoformat()
        small.add(rule("soon-over", expires_at=ends))
        small.add(rule("later", starts_at=begins, columns={"allow": ["origin"]}))
        assert small.sees() == ["carrier", "origin", "tailnum"]
        small.clock.advance(3600)
        assert small.sees() == ["carrier"]
        assert small.book.get("soon-over").state == "expired"
        assert small.book.get("later").state == "scheduled"
        small.clock.advance(3600)
        assert small.sees() == ["carrier", "origin"]

    def test_each_change_is_told_to_other_processes(self, small: Shelf) -> None:
        revisions = Revisions(small.database)
        revisions.changed()
        for change in (
            lambda: small.book.add(rule(), by="a"),
            lambda: small.book.change(rule(columns={"allow": ["origin"]})),
            lambda: small.book.remove("extra"),
        ):
            change()
            assert revisions.changed() == {"grants"}
        small.book.load()
        assert revisions.changed() == frozenset()

    def test_within_a_transaction_that_fails_nothing_is_made(self, shelf: Shelf) -> None:
        def fail() -> None:
            with shelf.database.transaction() as session:
                shelf.book.within(session).add(rule(), by="a")
                raise RuntimeError

        with pytest.raises(RuntimeError):
            fail()
        with pytest.raises(NotFound):
            shelf.book.get("extra")

    def test_of_two_who_take_an_id_at_once_one_gets_it(self, shelf: Shelf) -> None:
        outcomes: list[str] = []

        def make(books: GrantBook) -> None:
            try:
                books.add(rule(), by="a")
                outcomes.append("made")
            except Conflict:
                outcomes.append("taken")

        threads = [threading.Thread(target=make, args=(shelf.book,)) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(outcomes) == ["made", *["taken"] * 5]

    def test_loading_the_same_again_makes_nothing_anew(self, small: Shelf) -> None:
        small.add(rule())
        before = small.policy.edition()
        small.book.load()
        assert small.policy.edition() == before


class TestRefusals:
    @pytest.mark.parametrize(
        "more",
        [
            {"rows": {"carrier": {"eq": ["UA"]}}},
            {"rows": {"carrier": {}}},
            {"when": {"level": {"eq": "$nobody"}}},
            {"hours": {"zone": "Mars/Olympus"}},
            {"hours": {"days": []}},
            {"starts_at": "2026-01-02T00:00Z", "expires_at": "2026-01-01T00:00Z"},
            {"tenant": "nowhere"},
        ],
    )
    def test_what_makes_no_sense_is_not_stored(self, small: Shelf, more: Any) -> None:
        with pytest.raises(InvalidArguments) as refusal:
            small.book.add(rule(**more), by="a")
        assert refusal.value.extra["faults"]
        assert len(small.book.list()) == 3

    def test_a_managed_deny_rule_has_an_id_and_a_tenant(self, small: Shelf) -> None:
        for missing in ("id", "tenant"):
            with pytest.raises(InvalidArguments):
                small.book.add(denial().model_copy(update={missing: None}), by="a")

    @pytest.mark.parametrize(("name", "line"), [("declared", 10), ("no-planes", 17)])
    def test_a_declared_rule_is_read_only_and_says_where_it_stands(
        self, small: Shelf, name: str, line: int
    ) -> None:
        for attempt in (
            lambda: small.book.add(rule(name), by="a"),
            lambda: small.book.add(denial(name), by="a"),
            lambda: small.book.change(rule(name)),
            lambda: small.book.remove(name),
        ):
            with pytest.raises(Conflict) as refusal:
                attempt()
            assert f"saaf.yaml:{line}" in str(refusal.value.remedy)

    def test_a_declared_rule_without_id_is_read_only_by_its_number(self, small: Shelf) -> None:
        assert small.book.get("deny[0]").place == "saaf.yaml:16"
        with pytest.raises(Conflict):
            small.book.remove("deny[0]")

    def test_what_there_is_not_is_not_found(self, small: Shelf) -> None:
        for attempt in (
            lambda: small.book.get("x"),
            lambda: small.book.get("declared~"),
            lambda: small.book.change(rule("x")),
            lambda: small.book.remove("x"),
            lambda: small.book.remove("x~"),
        ):
            with pytest.raises(NotFound):
                attempt()


class TestWarnings:
    @pytest.mark.parametrize(
        ("more", "said"),
        [
            ({"columns": {"allow": ["carier"]}}, "has no column carier"),
            ({"rows": {"airline": {"eq": "UA"}}}, "has no column airline"),
            ({"resource": "wh://nyc/main.fligths"}, "is not described"),
            ({"resource": "wh://lax/main.flights"}, "no warehouse lax"),
            ({"to": {"groups": ["anlysts"]}}, "no group anlysts"),
            ({"to": {"clients": ["ap"]}}, "no client ap"),
            ({"to": {"agents": ["robot"]}}, "no agent robot"),
            ({"to": {}}, "names nobody"),
        ],
    )
    def test_what_will_do_nothing_is_told(self, small: Shelf, more: Any, said: str) -> None:
        record = small.book.add(rule(**more), by="a")
        assert any(said in warning for warning in record.warnings)


class TestTenants:
    def test_a_rule_is_of_its_tenant_alone(self, small: Shelf) -> None:
        small.add(rule(tenant="acme"))
        small.add(denial(tenant="acme", columns=["carrier"]))
        assert small.sees() == ["carrier"]
        assert "carrier" not in small.sees(client(tenant="acme"))
        assert {record.id for record in small.book.list(tenant="acme")} == {
            "extra", "never", "of-acme", "no-planes", "deny[0]",
        }  # fmt: skip
        with pytest.raises(NotFound):
            small.book.get("extra")
        with pytest.raises(NotFound):
            small.book.remove("extra", tenant="default")

    def test_two_tenants_may_use_one_id(self, small: Shelf) -> None:
        small.add(rule(columns={"allow": ["origin"]}))
        small.add(rule("declared", tenant="acme", columns={"allow": ["origin"]}))
        assert small.sees() == ["carrier", "origin"]
        with pytest.raises(Conflict):
            small.book.add(rule("of-acme", tenant="acme"), by="a")
        small.add(rule("of-acme"))


class TestPages:
    def test_pages_hold_each_rule_once(self, small: Shelf) -> None:
        for number in range(7):
            small.add(rule(f"g{number}"))
        shadowing = YAML.replace("id: declared", "id: g3")
        book = small.again(shadowing).book
        found, after = [], None
        while page := book.list(after=after, limit=2):
            found += [record.cursor for record in page]
            after = page[-1].cursor
        assert found == sorted(found)
        assert len(found) == len(set(found)) == 10
        assert {"g3", "g3~"} <= set(found)
        assert all(record.kind == "deny" for record in book.list(kind="deny"))
        assert len(book.list(kind="deny")) == 2


class TestShadows:
    YAML = YAML.replace("id: declared", "id: extra")

    def test_a_declared_grant_takes_the_place_of_a_managed_one(
        self, small: Shelf, caplog: pytest.LogCaptureFixture
    ) -> None:
        small.add(rule())
        with caplog.at_level(logging.WARNING):
            later = small.again(self.YAML)
        assert "saaf.yaml:10 shadows the stored rule extra" in caplog.text
        assert later.sees() == ["carrier"]
        assert later.book.get("extra").origin == "declared"
        shadow = later.book.get("extra~")
        assert (shadow.origin, shadow.state) == ("managed", "shadowed")
        assert any("gives nothing" in warning for warning in shadow.warnings)
        later.book.remove("extra~")
        with pytest.raises(NotFound):
            later.book.get("extra~")
        assert small.again().sees() == ["carrier"]

    def test_it_holds_again_when_the_declared_one_goes(self, small: Shelf) -> None:
        small.add(rule())
        assert small.again(self.YAML).sees() == ["carrier"]
        assert small.again().sees() == ["carrier", "origin", "tailnum"]

    def test_a_shadowed_deny_rule_still_denies(self, small: Shelf) -> None:
        small.add(denial("extra", columns=["carrier"]))
        later = small.again(self.YAML)
        assert later.sees() == []
        assert any("still denies" in x for x in later.book.get("extra~").warnings)


class TestBrokenRows:
    GARBAGE = [
        "[]",
        "null",
        '"text"',
        json.dumps({"to": "*"}),
        json.dumps({"to": "*", "resource": FLIGHTS, "typo": 1}),
        json.dumps({"to": "*", "resource": FLIGHTS, "columns": "*"}),
        json.dumps({"to": 7, "resource": FLIGHTS}),
    ]

    @pytest.mark.parametrize("body", GARBAGE)
    def test_a_grant_that_cannot_be_read_gives_nothing(
        self, small: Shelf, body: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.ERROR):
            small.store("broken", "grant", body)
        assert small.sees() == ["carrier"]
        assert "the stored rule broken of the tenant default cannot be read" in caplog.text
        record = small.book.get("broken")
        assert (record.state, record.rule) == ("broken", None)

    def test_broken_rows_of_either_kind_are_read_on_each_database(self, shelf: Shelf) -> None:
        shelf.store("broken", "grant", "[]")
        assert shelf.sees() == ["carrier"]
        shelf.store("worse", "deny", "[]")
        assert shelf.sees() == []
        assert {record.state for record in shelf.book.list()} == {"active", "broken"}

    @pytest.mark.parametrize("body", GARBAGE)
    def test_a_deny_rule_that_cannot_be_read_denies_all_of_its_tenant(
        self, small: Shelf, body: str
    ) -> None:
        small.store("broken", "deny", body)
        assert small.sees() == []
        assert not small.policy.resource_access(ANALYST, "sheet://a/b", "read").allowed
        assert small.sees(client(tenant="acme"))
        small.book.remove("broken")
        small.book.load()
        assert small.sees() == ["carrier"]

    @pytest.mark.parametrize("body", ["{", "", "{'a': 1}", "[" * 100_000])
    def test_what_is_no_json_at_all_is_broken_too(self, small: Shelf, body: str) -> None:
        small.store("broken", "grant", body)
        assert small.sees() == ["carrier"]
        assert small.book.get("broken").state == "broken"
        assert len(small.book.list()) == 4
        small.store("worse", "deny", body)
        assert small.sees() == []
        small.book.remove("worse")
        small.book.remove("broken")
        small.book.load()
        assert small.sees() == ["carrier"]

    def test_a_row_of_no_known_kind_denies(self, small: Shelf) -> None:
        small.store("odd", "grnt", json.dumps({"to": "*", "resource": FLIGHTS}))
        assert small.sees() == []

    def test_a_grant_that_makes_no_sense_gives_nothing(self, small: Shelf) -> None:
        body = {"to": "*", "resource": FLIGHTS, "rows": {"carrier": {"eq": "$who"}}}
        small.store("odd", "grant", json.dumps(body))
        assert small.sees() == ["carrier"]

    def test_what_the_body_says_of_id_and_tenant_counts_for_nothing(self, small: Shelf) -> None:
        body = {"id": "other", "tenant": "acme", "to": {"users": ["*"]}, "resource": FLIGHTS}
        small.store("mine", "grant", json.dumps(body))
        assert small.sees(user()) != []
        assert small.policy.table_decision(user(), FACTS).grants == ("mine",)

    def test_an_agent_stays_bound_by_a_grant_that_cannot_be_read(self, small: Shelf) -> None:
        bot = acting("bot", groups=frozenset({"analysts"}))
        assert small.sees(bot) == ["carrier"]
        small.store("its", "grant", json.dumps({"to": {"agents": ["bot"]}, "typo": 1}))
        assert small.sees(bot) == []

    def test_a_broken_row_can_be_mended(self, small: Shelf) -> None:
        small.store("broken", "grant", "[]")
        small.book.change(rule("broken"))
        small.book.load()
        assert small.sees() == ["carrier", "origin", "tailnum"]
        with small.database.transaction(read=True) as session:
            assert session.scalars(select(GrantRow.version)).all() == [2]
