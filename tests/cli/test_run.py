from __future__ import annotations

from tests.cli.conftest import Saaf


def test_an_agent_answers_in_this_process(saaf: Saaf) -> None:
    done = saaf("run", "flights", "How late did Delta depart on average?")
    assert done.returncode == 0, done.stderr
    assert "9.26" in done.stdout
    assert "run.completed" in done.stderr
    assert "run.completed" not in done.stdout, "the answer alone goes to stdout"


def test_an_unknown_agent_is_an_error_that_lists_those_there_are(saaf: Saaf) -> None:
    done = saaf("run", "trains", "How late?")
    assert done.returncode == 1
    assert "trains" in done.stderr
    assert "flights" in done.stderr
    assert "Traceback" not in done.stderr
