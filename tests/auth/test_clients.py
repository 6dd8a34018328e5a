from __future__ import annotations

import base64
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import event

from saaf_autogen.auth.clients import ClientStore, NewClient
from saaf_autogen.auth.revisions import Revisions
from saaf_autogen.auth.scopes import ScopeRegistry
from saaf_autogen.crypto import Sealer
from saaf_autogen.db import Database
from saaf_autogen.errors import Conflict, InvalidArguments, NotFound, PreconditionFailed
from saaf_autogen.settings import ClientSettings
from saaf_autogen.testing.clock import ManualClock

ANN = ClientSettings(
    id="ann", title="Ann", scopes=["semantic:read"], groups=["g"], attributes={"carrier": "UA"}
)
BOB = ClientSettings(id="bob")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def store(database: Database, tmp_path: Path, clock: ManualClock) -> ClientStore:
    return ClientStore(database, Sealer.load(tmp_path), clock, ScopeRegistry())


def test_declared_clients_are_made_once_and_their_secrets_shown_once(store: ClientStore) -> None:
    made = store.ensure([ANN, BOB])
    assert [new.id for new in made] == ["ann", "bob"]
    assert made[0].client_secret != made[1].client_secret
    assert len(made[0].client_secret.removeprefix("saaf_")) >= 43
    assert store.ensure([ANN, BOB]) == []


def test_a_webhook_secret_has_the_form_of_standard_webhooks_and_can_be_read_back(
    store: ClientStore,
) -> None:
    (new,) = store.ensure([ANN])
    assert len(base64.b64decode(new.webhook_secret.removeprefix("whsec_"), validate=True)) == 32
    assert store.webhook_secret("default", "ann") == new.webhook_secret
    rotated = store.rotate_webhook_secret("ann")
    assert store.webhook_secret("default", "ann") == rotated != new.webhook_secret


def test_no_secret_is_in_the_store_in_plain(store: ClientStore, database: Database) -> None:
    (new,) = store.ensure([ANN])
    with database.engine.connect() as connection:
        rows = str(connection.exec_driver_sql("SELECT * FROM clients").all())
    assert new.client_secret not in rows
    assert new.webhook_secret not in rows


def test_only_the_right_secret_authenticates(store: ClientStore) -> None:
    ann, bob = store.ensure([ANN, BOB])
    record = store.authenticate("ann", ann.client_secret)
    assert record is not None
    assert (record.id, record.scopes, record.groups) == ("ann", ("semantic:read",), ("g",))
    for name, secret in (
        ("ann", bob.client_secret),
        ("ann", ""),
        ("ann", "no client has this secret"),
        ("nobody", "no client has this secret"),
        ("nobody", ann.client_secret),
        ("ann\x00", ann.client_secret),
        ("ann", "\ud800"),
        ("ann", "\x00"),
    ):
        assert store.authenticate(name, secret) is None


def test_what_declared_clients_may_do_follows_the_file(store: ClientStore) -> None:
    (new,) = store.ensure([ANN])
    changed = ANN.model_copy(update={"scopes": ["rag:read"], "groups": [], "attributes": {}})
    store.ensure([changed])
    record = store.authenticate("ann", new.client_secret)
    assert record is not None
    assert (record.scopes, record.groups, dict(record.attributes)) == (("rag:read",), (), {})


def test_a_client_that_leaves_the_file_gets_no_tokens_until_it_is_back(
    store: ClientStore,
) -> None:
    (new,) = store.ensure([ANN])
    store.ensure([])
    assert store.authenticate("ann", new.client_secret) is None
    assert not store.get("ann").active
    assert store.ensure([ANN]) == []
    assert store.authenticate("ann", new.client_secret) is not None


def test_a_disabled_client_stays_disabled_whatever_the_file_says(store: ClientStore) -> None:
    (new,) = store.ensure([ANN])
    store.disable("ann")
    store.ensure([ANN])
    assert store.authenticate("ann", new.client_secret) is None


def test_clients_that_were_added_do_not_depend_on_the_file(store: ClientStore) -> None:
    new = store.add(BOB)
    store.ensure([ANN])
    assert store.authenticate("bob", new.client_secret) is not None
    assert [(record.id, record.declared) for record in store.list()] == [
        ("ann", True),
        ("bob", False),
    ]


def test_an_id_is_taken_once_and_scopes_must_exist(store: ClientStore) -> None:
    store.add(BOB)
    with pytest.raises(Conflict, match="bob"):
        store.add(BOB)
    with pytest.raises(InvalidArguments, match="moon:land"):
        store.add(ClientSettings(id="eve", scopes=["moon:land"]))


def test_an_old_secret_lasts_for_the_overlap_of_its_rotation(
    store: ClientStore, clock: ManualClock
) -> None:
    (first,) = store.ensure([ANN])
    second = store.rotate_secret("ann", overlap=timedelta(hours=1))
    assert store.authenticate("ann", first.client_secret) is not None
    assert store.authenticate("ann", second) is not None
    clock.advance(3601)
    assert store.authenticate("ann", first.client_secret) is None
    third = store.rotate_secret("ann")
    assert store.authenticate("ann", second) is None
    assert store.authenticate("ann", third) is not None


def test_tenants_do_not_see_each_others_clients(store: ClientStore) -> None:
    elsewhere = ANN.model_copy(update={"tenant": "acme"})
    store.ensure([elsewhere])
    assert store.list() == []
    for look in (
        lambda: store.get("ann"),
        lambda: store.disable("ann"),
        lambda: store.enable("ann"),
        lambda: store.change(ANN),
        lambda: store.remove("ann"),
        lambda: store.rotate_secret("ann"),
        lambda: store.webhook_secret("default", "ann"),
        lambda: store.rotate_webhook_secret("ann"),
    ):
        with pytest.raises(NotFound):
            look()
    with pytest.raises(Conflict):
        store.ensure([ANN])
    assert store.get("ann", tenant="acme").active
    assert [client.id for client in store.list(tenant="acme")] == ["ann"]


def test_a_change_of_another_version_than_was_read_is_refused(store: ClientStore) -> None:
    store.add(BOB)
    read = store.get("bob")
    changed = store.change(BOB.model_copy(update={"title": "Bob"}), version=read.version)
    assert (changed.title, changed.version) == ("Bob", read.version + 1)
    for act in (
        lambda: store.change(BOB, version=read.version),
        lambda: store.disable("bob", version=read.version),
        lambda: store.enable("bob", version=read.version),
        lambda: store.remove("bob", version=read.version),
        lambda: store.rotate_secret("bob", version=read.version),
    ):
        with pytest.raises(PreconditionFailed, match="version 2"):
            act()
    store.remove("bob", version=changed.version)
    with pytest.raises(NotFound):
        store.get("bob")


def test_declared_clients_are_changed_in_the_file_alone(store: ClientStore) -> None:
    store.ensure([ANN])
    for act in (lambda: store.change(ANN), lambda: store.remove("ann")):
        with pytest.raises(Conflict, match=r"saaf\.yaml"):
            act()
    store.ensure([])
    store.remove("ann")
    assert store.find("ann") is None


def test_a_known_client_is_authenticated_without_the_store(
    store: ClientStore, database: Database, clock: ManualClock
) -> None:
    new = store.add(BOB)
    statements: list[str] = []
    event.listen(
        database.engine, "before_cursor_execute", lambda *given: statements.append(given[2])
    )
    for _ in range(3):
        assert store.authenticate("bob", new.client_secret) is not None
    assert len(statements) == 2  # BEGIN and one SELECT
    clock.advance(61)
    assert store.find("bob") is not None
    assert len(statements) == 4


def test_nobody_is_refused_from_memory_alone(
    store: ClientStore, database: Database, tmp_path: Path, clock: ManualClock
) -> None:
    store.add(BOB)
    other = ClientStore(database, Sealer.load(tmp_path), clock, ScopeRegistry())
    assert store.find("bob") is not None
    rotated = other.rotate_secret("bob")
    assert store.authenticate("bob", rotated) is not None
    other.disable("bob")
    store.flush()
    assert store.authenticate("bob", rotated) is None
    other.enable("bob")
    assert store.authenticate("bob", rotated) is not None


def test_what_other_processes_change_counts_after_a_flush(
    store: ClientStore, database: Database, tmp_path: Path, clock: ManualClock
) -> None:
    new = store.add(BOB)
    assert store.authenticate("bob", new.client_secret) is not None
    other = ClientStore(database, Sealer.load(tmp_path), clock, ScopeRegistry())
    revisions = Revisions(database)
    revisions.changed()
    for change in (
        lambda: other.rotate_secret("bob"),
        lambda: other.disable("bob"),
        lambda: other.remove("bob"),
    ):
        change()
        assert revisions.changed() == {"principals"}
    store.flush()
    assert store.authenticate("bob", new.client_secret) is None


def test_public_clients_and_those_with_keys_have_no_secret(store: ClientStore) -> None:
    public = ClientSettings(
        id="app", authentication="none", grant_types=["refresh_token"], scopes=["rag:read"]
    )
    assert store.add(public).client_secret == ""
    for secret in ("", "no client has this secret", "None"):
        assert store.authenticate("app", secret) is None
    with pytest.raises(Conflict, match="no secret"):
        store.rotate_secret("app")
    store.change(public.model_copy(update={"authentication": "secret"}))
    assert store.authenticate("app", store.rotate_secret("app")) is not None
    store.change(public)
    assert store.find("app") == store.get("app")


def test_builtin_clients_tell_of_no_secret_and_yield_to_declared_ones(store: ClientStore) -> None:
    builtin = ClientSettings(id="cli", authentication="none", grant_types=["refresh_token"])
    kept: list[NewClient] = []
    assert store.ensure([], builtin=[builtin], keep=kept.extend) == kept == []
    assert store.get("cli").declared
    own = builtin.model_copy(update={"title": "Ours"})
    store.ensure([own], builtin=[builtin])
    assert store.get("cli").title == "Ours"
    store.ensure([])
    assert not store.get("cli").active


def test_threads_that_start_at_once_make_each_client_once(store: ClientStore) -> None:
    made: list[NewClient] = []
    start = threading.Barrier(4)

    def begin() -> None:
        start.wait()
        made.extend(store.ensure([ANN, BOB]))

    threads = [threading.Thread(target=begin) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(new.id for new in made) == ["ann", "bob"]
    for new in made:
        assert store.authenticate(new.id, new.client_secret) is not None


def test_clients_whose_secrets_cannot_be_kept_are_not_made(store: ClientStore) -> None:
    def fail(_made: object) -> None:
        raise OSError("no room")

    with pytest.raises(OSError, match="no room"):
        store.ensure([ANN], keep=fail)
    kept: list[NewClient] = []
    assert store.ensure([ANN], keep=kept.extend) == kept
    store.ensure([ANN], keep=fail)
