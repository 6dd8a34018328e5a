"""docs/attacks.md: every attack names the tests that show its answer, and they exist."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "attacks.md"
_TEST = re.compile(r"`(tests/[\w/]+\.py(?:::\w+)+)`")


def rows() -> list[tuple[str, str, tuple[str, ...]]]:
    """Attack, answer and tests of every row."""
    found = []
    for line in PAGE.read_text().splitlines():
        if not line.startswith("|") or line.startswith(("| attack |", "|---")):
            continue
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        assert len(cells) == 3, line
        attack, answer, shown = cells
        rest = _TEST.sub("", shown).replace(",", "").strip()
        assert not rest, f"{attack}: {rest} is no test"
        found.append((attack, answer, tuple(_TEST.findall(shown))))
    return found


@cache
def known_in(file: str) -> frozenset[str]:
    """The tests of a file, as ``name`` or ``Class::name``, without running it."""
    found = set()
    for node in ast.parse((ROOT / file).read_text()).body:
        inner = node.body if isinstance(node, ast.ClassDef) else [node]
        before = f"{node.name}::" if isinstance(node, ast.ClassDef) else ""
        if before and not before.startswith("Test"):
            continue
        found |= {
            before + each.name
            for each in inner
            if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
            and each.name.startswith("test_")
        }
    return frozenset(found)


def test_there_are_rows_and_each_tells_an_attack_once() -> None:
    attacks = [attack for attack, _, _ in rows()]
    assert len(attacks) > 60
    assert len(set(attacks)) == len(attacks)


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_an_attack_has_an_answer_and_tests_that_exist(
    row: tuple[str, str, tuple[str, ...]],
) -> None:
    _, answer, shown = row
    assert answer
    assert shown
    missing = [
        node for node in shown if node.partition("::")[2] not in known_in(node.partition("::")[0])
    ]
    assert missing == []
