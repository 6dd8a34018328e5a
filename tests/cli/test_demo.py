"""``saaf demo`` shows the main job, and what it shows is true."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import duckdb

from saaf_autogen.cli import demo
from tests.cli.conftest import Saaf

CELL = re.compile(r"[│┃]")


def printed_sql(lines: list[str]) -> tuple[str, dict[str, object]]:
    """The query that was printed last, and its parameters."""
    start = max(index for index, line in enumerate(lines) if line.startswith("SELECT"))
    end = next(
        index for index in range(start, len(lines)) if lines[index].startswith(("with ", "Done"))
    )
    values = lines[end].removeprefix("with ") if lines[end].startswith("with ") else ""
    parameters = re.findall(r"(\w+) = ('[^']*'|[-\d.]+)", values)
    return "\n".join(lines[start:end]), {name: ast.literal_eval(text) for name, text in parameters}


def printed_rows(lines: list[str], columns: int) -> list[list[str]]:
    """The cells of the table that stands before the query."""
    start = max(index for index, line in enumerate(lines) if line.startswith("SELECT"))
    head = max(index for index in range(start) if lines[index].startswith("┡"))
    cells = [
        [cell.strip() for cell in CELL.split(line)[1:-1]]
        for line in lines[head + 1 : start]
        if line.startswith("│")
    ]
    assert all(len(row) == columns for row in cells)
    return cells


def test_the_answer_is_what_duckdb_gives_for_the_same_sql(saaf: Saaf, nyc_file: Path) -> None:
    done = saaf("demo")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line.rstrip() for line in done.stdout.splitlines()]
    sql, parameters = printed_sql(lines)
    with duckdb.connect(str(nyc_file), read_only=True) as connection:
        wanted = connection.execute(re.sub(r":(\w+)", r"$\1", sql), parameters or None).fetchall()
    assert wanted
    assert printed_rows(lines, len(wanted[0])) == [[str(cell) for cell in row] for row in wanted]
    answer = done.stdout.replace(",", "")
    for cell in (cell for row in wanted for cell in row):
        assert answer.count(str(cell)) >= 2, f"{cell} is in the table and in the answer"
    assert "run.completed" in done.stdout
    assert "the signature is ours" in done.stdout
    assert "NOT VERIFIED" not in done.stdout


def test_what_the_demo_says_to_try_next_works(saaf: Saaf) -> None:
    source = Path(str(demo.__file__)).read_text()
    question = re.findall(r'saaf run flights "([^"]+)"', source)
    assert question
    done = saaf("run", "flights", question[0])
    assert done.returncode == 0, done.stderr
    assert "Not without a model" not in done.stdout
    assert "Verified question" in done.stdout
