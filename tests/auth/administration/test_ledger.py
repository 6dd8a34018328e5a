from __future__ import annotations

import pytest
from sqlalchemy import text

from saaf_autogen.audit import AuditFilter, AuditReader
from saaf_autogen.auth.administration.versions import ANY
from saaf_autogen.auth.principal import Actor
from saaf_autogen.errors import AuditUnavailable, Conflict, Forbidden, InsufficientScope, NotFound
from tests.auth.administration.conftest import Office

ENTRY = AuditFilter(kind="change")


def changes(office: Office, tenant: str = "default") -> list[dict[str, object]]:
    page = AuditReader(office.project.database).page(tenant, ENTRY)
    return [entry.document() for entry in page.entries]


def test_a_change_is_recorded_with_what_it_did_and_without_secrets(office: Office) -> None:
    admin = office.principal()
    made = office.desk.clients.create(admin, {"id": "one", "title": "Before"})
    office.desk.clients.change(admin, "one", {"title": "After"}, ANY)
    secret = office.desk.clients.rotate_secret(admin, "one", expected=ANY).client_secret
    rotated, changed, created = changes(office)
    assert created["action"] == "iam.create_client"
    assert created["resources"] == ["client:one"]
    assert changed["subject"] == "client:seed"
    told = changed["changes"]
    assert isinstance(told, dict)
    assert told["title"] == {"from": "Before", "to": "After"}
    assert rotated["changes"] == {"client_secret": {}}
    for hidden in (made.client_secret, made.webhook_secret, secret):
        assert hidden
        assert hidden not in repr(changes(office))


def test_a_refused_change_leaves_a_denial_and_nothing_else(office: Office) -> None:
    nobody = office.principal("client:nobody", scopes=["runs:read"])
    with pytest.raises(InsufficientScope):
        office.desk.groups.create(nobody, {"id": "mine"})
    with pytest.raises(NotFound):
        office.desk.groups.get(office.principal(), "mine")
    page = AuditReader(office.project.database).page("default", AuditFilter(decision="denied"))
    (denied,) = [entry.document() for entry in page.entries]
    assert (denied["subject"], denied["action"]) == ("client:nobody", "iam.create_group")


def test_a_change_that_fails_is_not_recorded_as_made(office: Office) -> None:
    office.desk.groups.create(office.principal(), {"id": "twice"})
    with pytest.raises(Conflict):
        office.desk.groups.create(office.principal(), {"id": "twice"})
    assert len(changes(office)) == 1


def test_without_the_audit_log_nothing_is_changed(office: Office) -> None:
    admin = office.principal()
    office.desk.groups.create(admin, {"id": "before"})
    with office.project.database.transaction() as session:
        session.execute(text("ALTER TABLE audit_entries RENAME TO audit_entries_away"))
    for attempt in (
        lambda: office.desk.groups.create(admin, {"id": "after"}),
        lambda: office.desk.groups.change(admin, "before", {"title": "x"}, ANY),
        lambda: office.desk.clients.rotate_secret(admin, "seed", expected=ANY),
    ):
        with pytest.raises(AuditUnavailable):
            attempt()
    with office.project.database.transaction() as session:
        session.execute(text("ALTER TABLE audit_entries_away RENAME TO audit_entries"))
    assert [group.id for group in office.desk.groups.list(admin).data] == ["before"]
    assert office.desk.groups.get(admin, "before").title == ""
    assert len(changes(office)) == 1


def test_an_agent_never_administrates_though_its_caller_may(office: Office) -> None:
    for actor in ("agent:sales", "client:helper"):
        acting = office.principal(actors=(Actor(subject=actor),))
        with pytest.raises(Forbidden):
            office.desk.users.list(acting)
        with pytest.raises(Forbidden):
            office.desk.users.create(acting, {"username": "x"})


def test_a_token_of_data_never_administrates(office: Office) -> None:
    narrowed = office.principal(token_grants=({"type": "saaf_data", "resource": "wh://*/*"},))
    with pytest.raises(Forbidden, match="authorization_details"):
        office.desk.clients.list(narrowed)
