"""The page on the audit log: its code is run, its names are those of the code."""

from __future__ import annotations

import base64
import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from saaf_autogen.audit import AuditLog, AuditOutcome, AuditReader, AuditRecord
from saaf_autogen.crypto import Sealer
from saaf_autogen.db import Database
from saaf_autogen.settings import LimitSettings

PAGE = (Path(__file__).parent.parent.parent / "docs" / "audit.md").read_text(encoding="utf-8")


def test_who_has_the_key_checks_an_export_as_the_page_says(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealer = Sealer.load(tmp_path)
    log = AuditLog(database, sealer.derive("audit"))
    at = datetime(2026, 11, 23, tzinfo=UTC)
    with database.transaction() as session:
        for number in range(5):
            record = AuditRecord(
                call_id=f"c{number}",
                at=at,
                tenant="default",
                issuer="local",
                subject='usr_ann "é" \n \x7f \u2028 😀',
                door="rest",
                action="a.b",
                details={"ratio": 1.5, "whole": 2.0, "é": [None, True]},
            )
            log.append(session, record, AuditOutcome(f"c{number}", at, "default", "ok", 0.5))
    lines = [json.dumps(each.document()) for each in AuditReader(database).stream("default")]
    (tmp_path / "export.jsonl").write_text("\n".join(lines), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    master_key = base64.b64decode((tmp_path / "master.key").read_bytes())
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    known: dict[str, object] = {"master_key": master_key}
    exec(block, known)  # noqa: S102 - the page's own code
    assert known["prev"] == json.loads(lines[-1])["hash"]


def test_the_example_of_an_entry_has_members_that_the_page_explains() -> None:
    (example,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    explained = set(re.findall(r"`(\w+)`", PAGE.split("| member | |")[1].split("\n\n")[0]))
    assert set(json.loads(example)) <= explained


def test_the_limits_are_those_of_the_settings() -> None:
    told = dict(re.findall(r"\| `(\w+_per_minute)` \| (\d+) \|", PAGE))
    fields = LimitSettings.model_fields
    assert {name: int(value) for name, value in told.items()} == {
        name: field.default for name, field in fields.items() if name.endswith("_per_minute")
    }
