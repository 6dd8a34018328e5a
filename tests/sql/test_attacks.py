from __future__ import annotations

import json

import pytest

from saaf_autogen.errors import SaafError, SqlRefused
from saaf_autogen.sql import GuardedWarehouse
from tests.sql import attacks, world

REFUSED = [(rule, sql) for rule, texts in attacks.REFUSED.items() for sql in texts]


async def outcome(guarded: GuardedWarehouse, sql: str) -> tuple[str, SaafError | None]:
    """Everything that a caller could read of a query, and the error if there was one."""
    try:
        result = await guarded.query(sql, visible=world.visible(), timeout_s=0.4)
    except SaafError as error:
        return json.dumps(error.problem()) + str(error), error
    columns = [[column.name, column.type] for column in result.columns]
    return json.dumps([columns, result.rows, result.cut, result.tables]), None


def assert_nothing_told(sql: str, text: str) -> None:
    written = sql.lower()
    for canary in world.CANARIES:
        # What the caller wrote may come back; each canary they wrote stands for itself alone.
        shown = text.replace(canary, "") if canary.lower() in written else text
        assert canary not in shown, text
    for name in world.HIDDEN_NAMES:
        assert name in written or name not in text.lower(), text


def test_the_corpus_is_large() -> None:
    assert len(REFUSED) + len(attacks.FUNCTIONS_THAT_READ) + len(attacks.HARMLESS) >= 300


@pytest.mark.parametrize(("rule", "sql"), REFUSED)
async def test_an_attack_is_refused_by_its_rule(
    guarded: GuardedWarehouse, rule: str, sql: str
) -> None:
    text, error = await outcome(guarded, sql)
    assert isinstance(error, SqlRefused), text
    assert error.rule == rule, error
    assert error.remedy or rule == "syntax"
    assert_nothing_told(sql, text)


@pytest.mark.parametrize("sql", attacks.FUNCTIONS_THAT_READ)
async def test_a_function_that_reads_is_refused_in_from(
    guarded: GuardedWarehouse, sql: str
) -> None:
    text, error = await outcome(guarded, sql)
    assert isinstance(error, SqlRefused), text
    assert error.rule in {"function", "table_function", "construct", "unknown_table", "syntax"}
    assert_nothing_told(sql, text)


@pytest.mark.parametrize("sql", attacks.HARMLESS)
async def test_what_runs_tells_nothing_hidden(guarded: GuardedWarehouse, sql: str) -> None:
    text, _ = await outcome(guarded, sql)
    assert_nothing_told(sql, text)
