"""What every call passes, on a deployment of its own."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import select

from saaf_autogen.audit.tables import AuditEntryRow
from saaf_autogen.auth.principal import Principal
from saaf_autogen.client import Client
from saaf_autogen.db import Database
from saaf_autogen.errors import ApprovalRequired, Conflict, NotFound
from tests.conftest import make_deployment

WRITER = Principal(
    issuer="local",
    subject="client:writer",
    client_id="writer",
    groups=frozenset({"analysts"}),
    scopes=frozenset({"tools.notes:write", "warehouse:query"}),
)


@pytest.fixture
def folder(tmp_path: Path, nyc_file: Path) -> Path:
    return make_deployment(tmp_path / "nyc", nyc_file)


async def test_a_grant_that_asks_for_approval_denies_while_nobody_can_be_asked(
    folder: Path,
) -> None:
    settings = folder / "saaf.yaml"
    text = settings.read_text()
    for resource in ("resource: notes://shared/*", "resource: wh://nyc/main.*"):
        assert resource in text
        text = text.replace(resource, f"{resource}\n    approval: required", 1)
    settings.write_text(text)
    async with Client(folder, principal=WRITER) as saaf:
        with pytest.raises(ApprovalRequired):
            await saaf.call("notes.read_note", folder="shared", name="a")
        with pytest.raises(ApprovalRequired, match="flights"):
            await saaf.call("warehouse.query", sql="SELECT count(*) FROM flights")


async def test_every_one_of_parallel_calls_leaves_one_record_refused_or_not(folder: Path) -> None:
    async with Client(folder, principal=WRITER) as saaf:
        arguments = {"text": "x", "seconds": 0.2}
        results = await asyncio.gather(
            *(saaf.outcome("notes.add_slowly", arguments, idempotency_key="one") for _ in range(8)),
            return_exceptions=True,
        )
    refused = [result for result in results if isinstance(result, Conflict)]
    assert len(refused) == 7
    store = Database(f"sqlite:///{folder / '.saaf' / 'saaf.sqlite'}")
    with store.transaction(read=True) as session:
        records = list(
            session.scalars(select(AuditEntryRow).where(AuditEntryRow.kind == "decision"))
        )
    store.close()
    assert Counter(record.decision for record in records) == {"allowed": 1, "denied": 7}
    assert len({record.call_id for record in records}) == 8


async def test_a_call_that_the_host_fails_to_decide_leaves_its_record_too(folder: Path) -> None:
    (folder / "tools" / "broken.py").write_text(
        "from saaf_autogen import action\n\n\n"
        "def _fail(ctx, arguments):\n    raise LookupError('postgresql://secret')\n\n\n"
        '@action(scopes=["warehouse:query"], effect="read", resources=_fail)\n'
        'def ask() -> int:\n    """Never get there."""\n    return 1\n'
    )
    async with Client(folder, principal=WRITER) as saaf:
        with pytest.raises(LookupError):
            await saaf.call("broken.ask")
    store = Database(f"sqlite:///{folder / '.saaf' / 'saaf.sqlite'}")
    with store.transaction(read=True) as session:
        (record,) = session.scalars(select(AuditEntryRow))
    store.close()
    assert (record.action, record.decision) == ("broken.ask", "denied")
    assert "LookupError" in record.body
    assert "secret" not in record.body


async def test_a_warehouse_without_a_granted_table_is_named_nowhere(folder: Path) -> None:
    import duckdb

    duckdb.connect(str(folder / "salaries.duckdb")).close()
    settings = folder / "saaf.yaml"
    text = settings.read_text().replace(
        "\nwarehouses:\n",
        "\nwarehouses:\n  salaries: {engine: duckdb, path: salaries.duckdb}\n",
        1,
    )
    settings.write_text(text)
    async with Client(folder, principal=WRITER) as saaf:
        # With one warehouse to be seen, none needs to be named.
        assert await saaf.call("warehouse.query", sql="SELECT 1")
        with pytest.raises(NotFound) as hidden:
            await saaf.call("warehouse.query", sql="SELECT 1", warehouse="salaries")
        with pytest.raises(NotFound) as unknown:
            await saaf.call("warehouse.query", sql="SELECT 1", warehouse="nothing1")
    assert hidden.value.detail.replace("salaries", "nothing1") == unknown.value.detail
    assert hidden.value.remedy == unknown.value.remedy == "There are: nyc."
