"""Two tenants on one host; every row of the second one holds marks that the first may never see."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import JSON, LargeBinary, String, Table, insert, select

from saaf_autogen.crypto import digest
from saaf_autogen.db import Base, UtcTime
from tests.site import Site

__all__ = ["MARK", "MINE", "THEIRS", "Planted", "plant", "rows_of", "settings_of"]

MINE, THEIRS = "acme", "bravo"
MARK = "zqxmark"
"""In every text of the second tenant that is not of a given form."""

PASSWORD = "seventeen green umbrellas"
CALLBACK = "https://app.example.com/callback"
EVERY_SCOPE = [
    *("warehouse:query", "semantic:read", "agents:run", "runs:read", "runs:cancel"),
    *("runs:input", "schedules:manage"),
    *("audit:read", "iam:admin"),
]

FORMS: dict[str, set[str]] = {
    "action_effects": {"tenant", "state"},
    "audit_entries": {"tenant", "kind", "decision", "issuer"},
    "audit_heads": {"tenant"},
    "authorization_codes": {"tenant", "code_hash", "client_id", "user_id", "family_id"},
    "callbacks": {"tenant", "id", "run_id", "client_id", "state", "host"},
    "clients": {
        *("tenant", "id", "authentication", "grant_types", "id_algorithm", "scopes"),
        *("redirect_uris", "post_logout_redirect_uris"),
    },
    "consents": {"tenant", "user_id", "client_id"},
    "device_codes": {"tenant", "device_code_hash", "user_code", "client_id", "user_id", "state"},
    "grants": {"tenant", "id", "kind"},
    "groups": {"tenant", "id"},
    "memberships": {"tenant", "group_id", "user_id"},
    "input_requests": {"tenant", "id", "run_id", "kind", "place", "state"},
    "one_time_values": {"tenant", "name"},
    "passkeys": {"tenant", "user_id"},
    "refresh_tokens": {"tenant", "token_hash", "family_id"},
    "revisions": {"tenant"},
    "revoked_tokens": {"tenant"},
    "run_events": {"tenant", "run_id", "type"},
    "run_journal": {"tenant", "run_id", "place"},
    "run_turns": {"tenant", "run_id"},
    "run_usage": {"tenant", "run_id", "owner"},
    "runs": {"tenant", "id", "owner", "status", "client_id", "agent_id", "worker", "schedule_id"},
    "schedules": {"tenant", "id", "owner", "cron", "zone", "overlap", "last_run_id"},
    "sessions": {"tenant", "id", "cookie_hash", "user_id"},
    "sign_in_failures": {"tenant", "name"},
    "signing_keys": {"tenant", "alg", "state"},
    "token_families": {"tenant", "id", "client_id", "user_id"},
    "users": {"tenant", "id", "issuer"},
    "workers": {"tenant", "id", "state"},
}
"""Columns of text whose form is given: ids, digests, words of a list. All others hold the mark."""

OBJECTS = {
    *("attributes", "metadata", "data", "jwks", "error", "definition", "limits", "usage"),
    *("principal", "change", "request", "answer"),
}
"""Columns that hold JSON objects; others hold arrays."""


@dataclass
class Planted:
    """What is known of the second tenant.

    Attributes:
        ids: of one thing of each kind, by the name that routes give to it.
        texts: everything else that must not be seen: names, secrets.
    """

    ids: dict[str, str]
    code: str = "planted-authorization-code-0123456789"
    refresh_token: str = "planted-refresh-token-0123456789"
    device_code: str = "planted-device-code-0123456789"
    user_code: str = "BCDFGHJK"
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)


def settings_of(tables: str) -> dict[str, Any]:
    """Settings of a host with both tenants; the second one alone may see what is described."""
    flows = {
        "grant_types": [
            "client_credentials",
            "authorization_code",
            "refresh_token",
            "urn:ietf:params:oauth:grant-type:device_code",
            "urn:ietf:params:oauth:grant-type:token-exchange",
        ],
        "redirect_uris": [CALLBACK],
    }
    return {
        "tenants": ["default", MINE, THEIRS],
        "clients": [
            {"id": "mine", "tenant": MINE, "scopes": EVERY_SCOPE, "introspects": True, **flows},
            {"id": "root", "scopes": EVERY_SCOPE},
            {"id": "theirs", "tenant": THEIRS, "title": MARK, "scopes": EVERY_SCOPE, **flows},
        ],
        "groups": [{"id": "shared", "tenant": name} for name in (MINE, THEIRS)],
        "grants": [
            {"id": "all", "tenant": THEIRS, "to": "*", "resource": tables, "verbs": ["select"]}
        ],
        "limits": {"calls_per_minute": 100_000},
        "oauth": {"registration": "open"},
    }


def plant(site: Site) -> Planted:
    """Put a row of the second tenant in every table; the test fails for one it does not know."""
    now = site.clock.now()
    numbers = {"user_id": "usr_" + "b" * 24, "run_id": "run_" + "b" * 32}
    planted = Planted(
        {
            **numbers,
            "group_id": "bravo-group",
            "client_id": "bravo-client",
            "rule_id": "bravo-grant",
            "session_id": "ses_" + "b" * 24,
            "connection_id": "fam_bravobravobravobravo",
            "jti": f"{MARK}-jti",
            "question_id": "inp_" + "b" * 32,
            "schedule_id": "sch_" + "b" * 32,
        }
    )
    rows = _rows(planted, now, site.url)
    # Parents before what refers to them.
    with site.project.database.transaction() as session:
        for table in Base.metadata.sorted_tables:
            row = _filled(table, rows.get(table.name, {}), now)
            session.execute(insert(table).values(row))
            planted.rows[table.name] = row
    site.identity._settle()
    return planted


def _rows(planted: Planted, now: datetime, url: str) -> dict[str, dict[str, Any]]:
    """What has a form in each table; the rest is filled with the mark."""
    ids = planted.ids
    user, client, family = ids["user_id"], ids["client_id"], ids["connection_id"]
    order = {"scopes": ["runs:read", MARK], "audience": [url], "nonce": MARK}
    principal = {"issuer": url, "tenant": THEIRS, "subject": user, "kind": "user"}
    grant = {"id": ids["rule_id"], "tenant": THEIRS, "to": "*", "resource": f"doc://{MARK}/*"}
    return {
        "action_effects": {"state": "done", "value": {"text": MARK}},
        "audit_entries": {
            "kind": "change",
            "decision": "allowed",
            "issuer": url,
            "body": json.dumps({"action": MARK, "at": now.isoformat()}),
            "resources": f"\n{MARK}\n",
        },
        "authorization_codes": {
            "code_hash": digest(planted.code),
            "client_id": "theirs",
            "user_id": user,
            "family_id": family,
            "redirect_uri": f"{CALLBACK}?{MARK}",
            "order": order,
        },
        "callbacks": {
            "id": "msg_" + "b" * 32,
            "run_id": ids["run_id"],
            "client_id": client,
            "state": "delivered",
            "host": "app.example.com",
        },
        "clients": {
            "id": client,
            "authentication": "secret",
            "grant_types": ["client_credentials"],
            "redirect_uris": [],
            "post_logout_redirect_uris": [],
            "id_algorithm": "RS256",
            "scopes": ["runs:read"],
        },
        "consents": {"user_id": user, "client_id": client, "scopes": [MARK]},
        "device_codes": {
            "device_code_hash": digest(planted.device_code),
            "user_code": planted.user_code,
            "client_id": "theirs",
            "user_id": None,
            "state": "pending",
            "order": order,
        },
        "grants": {"id": ids["rule_id"], "kind": "grant", "body": grant},
        "groups": {"id": ids["group_id"]},
        "memberships": {"group_id": ids["group_id"], "user_id": user},
        "input_requests": {
            "id": ids["question_id"],
            "run_id": ids["run_id"],
            "turn": 0,
            "kind": "input",
            "place": "0:input:team/human:0:0",
            "state": "answered",
        },
        "one_time_values": {"name": digest("a name")},
        "passkeys": {"user_id": user},
        "refresh_tokens": {"token_hash": digest(planted.refresh_token), "family_id": family},
        "revoked_tokens": {"jti": f"{MARK}-revoked"},
        "run_events": {"run_id": ids["run_id"], "type": "run.completed"},
        "runs": {
            "id": ids["run_id"],
            "owner": f"{THEIRS}|{url}|{user}",
            "agent_id": "counting",
            "status": "completed",
            "client_id": client,
            "principal": {**principal, "attributes": {"word": MARK}},
            "limits": {MARK: 1},
            "usage": {MARK: 1},
            "worker": None,
            "schedule_id": ids["schedule_id"],
        },
        "run_journal": {
            "run_id": ids["run_id"],
            "place": "0:model:team/a:0:0",
            "turn": 0,
        },
        "run_turns": {"run_id": ids["run_id"], "turn": 0, "change": {"=": MARK}},
        "run_usage": {"run_id": ids["run_id"], "owner": f"{THEIRS}|{url}|{user}"},
        "schedules": {
            "id": ids["schedule_id"],
            "owner": f"{THEIRS}|{url}|{user}",
            "principal": {**principal, "attributes": {"word": MARK}},
            "cron": "0 7 * * *",
            "zone": "UTC",
            "request": {"agent_id": "counting", "input": MARK},
            "overlap": "skip",
            "enabled": False,
            "last_run_id": None,
        },
        "workers": {"id": "wrk_" + "b" * 16, "state": "gone"},
        "sessions": {
            "id": ids["session_id"],
            "cookie_hash": digest("a cookie"),
            "user_id": user,
        },
        "sign_in_failures": {"name": digest("a name")},
        "signing_keys": {"alg": "ES256", "state": "retired"},
        "token_families": {
            "id": family,
            "client_id": client,
            "user_id": user,
            "order": order,
            "revoked_because": MARK,
        },
        "users": {"id": user, "issuer": "local", "scopes": [MARK]},
    }


def _filled(table: Table, given: dict[str, Any], now: datetime) -> dict[str, Any]:
    """A whole row: what has a form as given, and the mark in all other text."""
    assert table.name in FORMS, f"the walk knows nothing of the table {table.name}"
    row: dict[str, Any] = {"tenant": THEIRS}
    for column in table.columns:
        if column.name in given or column.name == "tenant":
            continue
        row[column.name] = _value(column, now)
    row |= given
    for column in table.columns:
        if isinstance(column.type, String | JSON) and column.name not in FORMS[table.name]:
            marked = MARK in json.dumps(row[column.name])
            assert marked, f"{table.name}.{column.name} does not hold the mark"
    return row


def _value(column: Any, now: datetime) -> Any:
    ends = ("revoked_at", "ended_at", "used_at", "disabled_at", "withdrawn_at", "wait_until")
    kind = column.type
    if isinstance(kind, JSON):
        return {"word": MARK} if column.name in OBJECTS else [MARK]
    if isinstance(kind, UtcTime):
        if column.name in ends and column.nullable:
            return None
        later = "expires" in column.name or "until" in column.name
        return now + timedelta(days=1) if later else now
    if isinstance(kind, LargeBinary):
        return MARK.encode()
    return {bool: False, int: 1, float: 1.0, str: MARK}[kind.python_type]


def rows_of(site: Site, tenant: str) -> dict[str, list[str]]:
    """All that is stored of a tenant, by table."""
    with site.project.database.transaction(read=True) as session:
        return {
            table.name: sorted(
                repr(tuple(row))
                for row in session.execute(select(table).where(table.c.tenant == tenant))
            )
            for table in Base.metadata.sorted_tables
        }
