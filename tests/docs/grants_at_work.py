"""Writes what two clients of the sample see into ``docs/grants-at-work.md``.

``python -m tests.docs.grants_at_work`` brings the page up to date; a test compares it.
"""

from __future__ import annotations

import asyncio
import difflib
import re
import tempfile
import textwrap
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from saaf_autogen.auth.principal import Principal
from saaf_autogen.client import Client
from saaf_autogen.errors import SaafError
from saaf_autogen.settings import Settings, read_document
from saaf_autogen.sql import build_nycflights13
from tests.conftest import ROOT, make_deployment

__all__ = ["PAGE", "refreshed"]

PAGE = ROOT / "docs" / "grants-at-work.md"
WHO = ("analyst", "ua-analyst")
METADATA = """\
SELECT (SELECT COUNT(*) FROM semantic.fields) AS fields,
       (SELECT COUNT(*) FROM semantic.relationships) AS joins,
       (SELECT COUNT(*) FROM semantic.examples) AS examples,
       (SELECT sample_values FROM semantic.fields
        WHERE table_name = 'flights' AND column_name = 'carrier') AS carriers"""
QUESTION = "Which planes were cancelled most often?"
BUDGET = 300
NAMED = """\
SELECT a.name, AGG(flight_count) AS flights, ROUND(AGG(avg_dep_delay), 2) AS late,
       ROUND(AGG(cancelled_percent), 2) AS cancelled
FROM flights JOIN airlines AS a USING (flights_airlines)
WHERE NOT diverted
GROUP BY a.name
ORDER BY flights DESC
LIMIT 3"""
WRONG = (
    ("SELECT tailnum FROM flights", "SELECT wingspan FROM flights"),
    ("SELECT COUNT(*) FROM planes", "SELECT COUNT(*) FROM trains"),
    ("SELECT AGG(plane_count) FROM flights", "SELECT AGG(train_count) FROM flights"),
)
_WITHHELD = "none: they may be of hidden rows"
Ask = Callable[..., Awaitable[Any]]
_BLOCK = re.compile(r"(<!-- begin (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


async def refreshed(folder: Path) -> str:
    """The page as it should be, from a deployment in ``folder``."""
    async with (
        Client(folder, principal=_principal(folder, WHO[0])) as analyst,
        Client(folder, principal=_principal(folder, WHO[1])) as narrow,
    ):
        ask: tuple[Ask, Ask] = (analyst.call, narrow.call)
        blocks = {
            "grants": _grants(folder),
            "tables": await _tables(ask),
            "flights": await _flights(ask),
            "metadata": await _metadata(ask),
            "context": await _context(ask),
            "results": await _results(ask),
            "refusals": await _refusals(ask),
        }
    return _BLOCK.sub(lambda found: found[1] + blocks[found[2]] + found[3], PAGE.read_text())


def _principal(folder: Path, client: str) -> Principal:
    settings = read_document(folder / "saaf.yaml").validate(Settings)
    assert settings is not None
    (known,) = [item for item in settings.clients if item.id == client]
    return Principal(
        issuer="local",
        subject=f"client:{client}",
        client_id=client,
        kind="client",
        groups=frozenset(known.groups),
        scopes=frozenset(known.scopes),
        attributes={
            name: tuple(value) if isinstance(value, list) else value
            for name, value in known.attributes.items()
        },
    )


def _grants(folder: Path) -> str:
    text = (folder / "saaf.yaml").read_text()
    grants = text[text.index("  - id: all-flights") : text.index("# Who calls")]
    return f"```yaml\ngrants:\n{grants.rstrip()}\n```\n"


async def _tables(ask: tuple[Ask, Ask]) -> str:
    lists = [{item["name"]: item for item in await one("semantic.list_tables")} for one in ask]
    names = sorted({name for seen in lists for name in seen})
    rows = []
    for name in names:
        cells = [f"{seen[name]['columns']} columns" if name in seen else "–" for seen in lists]
        rows.append([f"`{name}`", *cells])
    return _table(["`semantic.list_tables`", *WHO], rows)


async def _flights(ask: tuple[Ask, Ask]) -> str:
    seen = [await one("semantic.describe_table", table="flights") for one in ask]
    rows: list[list[str]] = [["rows", *(item["rows"] for item in seen)]]
    columns = [{field["name"]: field for field in item["columns"]} for item in seen]
    withheld = 0
    for name in columns[0]:
        told = [_field(each.get(name)) for each in columns]
        if told[1] == _WITHHELD:
            withheld += told[0] != _WITHHELD
        elif told[0] != told[1]:
            rows.append([f"column `{name}`, its values", *told])
    rows.append([f"values of {withheld} other columns", "samples", _WITHHELD])
    for part in ("metrics", "filters", "relationships"):
        names = [", ".join(f"`{each['name']}`" for each in item[part]) for item in seen]
        same = names[0] == names[1]
        rows.append([part, names[0], "the same" if same else names[1]])
    return _table(["`semantic.describe_table`", *WHO], rows)


def _field(field: dict[str, Any] | None) -> str:
    if field is None:
        return "–"
    return ", ".join(map(str, field["sample_values"])) or _WITHHELD


async def _metadata(ask: tuple[Ask, Ask]) -> str:
    found = [await one("semantic.query", sql=METADATA) for one in ask]
    rows = [
        [name, *(str(item["rows"][0][index]).replace('"', "") for item in found)]
        for index, name in enumerate(found[0]["columns"])
    ]
    return f"```sql\n{METADATA}\n```\n\n{_table(['column of the result', *WHO], rows)}"


async def _context(ask: tuple[Ask, Ask]) -> str:
    texts = [
        (await one("semantic.context", question=QUESTION, token_budget=BUDGET))["text"]
        for one in ask
    ]
    wide, narrow = (_wrapped(text) for text in texts)
    lines = difflib.unified_diff(wide, narrow, WHO[0], WHO[1], n=1, lineterm="")
    shown = [line for line in lines if not line.startswith("@@")]
    return "```diff\n" + "\n".join(shown) + "\n```\n"


def _wrapped(text: str) -> list[str]:
    """Lines that a page can show."""
    return [
        part
        for line in text.splitlines()
        for part in textwrap.wrap(line, 96, subsequent_indent="    ", drop_whitespace=True)
    ]


async def _results(ask: tuple[Ask, Ask]) -> str:
    parts = [f"```sql\n{NAMED}\n```\n"]
    for who, one in zip(WHO, ask, strict=True):
        found = await one("warehouse.query", sql=NAMED)
        names = [column["name"] for column in found["columns"]]
        parts.append(_table([f"{who}: {names[0]}", *names[1:]], found["rows"]))
    return "\n".join(parts)


async def _refusals(ask: tuple[Ask, Ask]) -> str:
    rows = []
    for hidden, absent in WRONG:
        told = [await _refusal(ask[1], hidden), await _refusal(ask[0], absent)]
        rows.append([f"ua-analyst: `{hidden}`", told[0]])
        rows.append([f"analyst: `{absent}`", told[1]])
    return _table(["who asks what", "what they are told"], rows)


async def _refusal(one: Ask, sql: str) -> str:
    try:
        await one("warehouse.query", sql=sql)
    except SaafError as error:
        return f"{error.detail} *{error.remedy}*"
    raise AssertionError(f"{sql} was not refused")


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(str(cell) for cell in line)} |\n" for line in lines)


def _main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        warehouse = Path(scratch) / "nyc.duckdb"
        build_nycflights13(warehouse)
        folder = make_deployment(Path(scratch) / "nyc", warehouse)
        PAGE.write_text(asyncio.run(refreshed(folder)))


if __name__ == "__main__":
    _main()
