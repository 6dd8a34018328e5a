"""What the audit is told of tokens: every answer, and never a secret."""

from __future__ import annotations

import asyncio
from dataclasses import asdict

import pytest
from sqlalchemy import text

from saaf_autogen.audit import AuditRecord
from saaf_autogen.errors import AuditUnavailable
from tests.auth.server.flows import Flows, refused


@pytest.fixture
def told(flows: Flows, monkeypatch: pytest.MonkeyPatch) -> list[AuditRecord]:
    records: list[AuditRecord] = []
    monkeypatch.setattr(flows.site.identity.issuer, "_note", records.append)
    return records


def test_every_answer_is_told_with_who_and_what_and_without_secrets(
    flows: Flows, told: list[AuditRecord]
) -> None:
    user = flows.user()
    code = flows.code(user)
    body = flows.redeem(code).json()
    exchanged = flows.exchange(body["access_token"]).json()
    flows.post("web", "introspect", token=body["access_token"])
    flows.post("web", "revoke", token=body["refresh_token"])
    flows.refresh(body["refresh_token"])
    flows.site.http.post("/oauth/token", auth=("web", "wrong"), data={"grant_type": "x"})
    actions = [(each.action, each.decision, each.reason) for each in told]
    assert actions == [
        ("oauth.token", "allowed", ""),
        ("oauth.token", "allowed", ""),
        ("oauth.introspect", "allowed", ""),
        ("oauth.revoke", "allowed", ""),
        ("oauth.token", "denied", "invalid_grant"),
        ("oauth.token", "denied", "unsupported_grant_type"),
    ]
    first, second = told[:2]
    assert (first.subject, first.client_id, first.door) == (user.id, "web", "oauth")
    assert first.tenant == "default"
    assert first.details["grant_type"] == "authorization_code"
    assert first.details["scopes"] == body["scope"].split()
    assert (second.subject, second.client_id) == (user.id, "agent")
    assert second.actors == ("client:agent",)
    words = str([asdict(each) for each in told])
    for secret in (code, body["access_token"], body["refresh_token"], exchanged["access_token"]):
        assert secret not in words
    assert flows.site.secret("web") not in words


def test_nothing_is_issued_that_cannot_be_recorded(
    flows: Flows, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_record: AuditRecord) -> None:
        raise AuditUnavailable("The audit log cannot be written.")

    monkeypatch.setattr(flows.site.identity.issuer, "_note", full)
    for _ in range(2):  # by the store, then from memory
        refused(flows.site.post_token("machine"), "temporarily_unavailable", 503)


def test_answers_come_to_the_audit_log(flows: Flows) -> None:
    flows.site.token("machine")
    flows.site.on_loop(asyncio.wait_for(flows.site.identity.audit.flush(), 10))
    with flows.site.project.database.transaction(read=True) as session:
        kept = str(session.execute(text("SELECT * FROM audit_entries")).all())
    assert "oauth.token" in kept
