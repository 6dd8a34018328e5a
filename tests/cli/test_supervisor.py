"""Processes under a supervisor, each a few lines of Python."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

CHILD = """
import os, signal, sys
lines = open(sys.argv[1], "a", buffering=1)
def end(*_):
    lines.write(f"term {os.getpid()}\\n")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
lines.write(f"start {os.getpid()}\\n")
BODY
"""
WAITS = """
while os.read(0, 1):
    pass
lines.write(f"alone {os.getpid()}\\n")
"""
PARENT = """
import asyncio, sys
from saaf_autogen.cli.logs import log_to_stderr
from saaf_autogen.cli.supervisor import Supervisor
log_to_stderr()
command = [sys.executable, "-c", sys.argv[1], sys.argv[2]]
sys.exit(0 if asyncio.run(Supervisor(command, 2, pause_s=0.1).run()) else 1)
"""


class Supervised:
    def __init__(self, folder: Path, body: str) -> None:
        self.lines = folder / "lines.txt"
        self.lines.touch()
        child = CHILD.replace("BODY", body)
        self.log = folder / "log.txt"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", PARENT, child, str(self.lines)], stderr=log
            )

    def told(self, word: str) -> list[int]:
        lines = [line.split() for line in self.lines.read_text().splitlines()]
        return [int(line[1]) for line in lines if line[0] == word]

    def until(self, ready: Callable[[], object]) -> None:
        deadline = time.monotonic() + 30
        while not ready():
            assert time.monotonic() < deadline, self.lines.read_text()
            time.sleep(0.02)

    def ends(self) -> int:
        return self.process.wait(30)


@pytest.fixture
def supervised(tmp_path: Path) -> Iterator[Callable[[str], Supervised]]:
    made: list[Supervised] = []

    def make(body: str) -> Supervised:
        made.append(Supervised(tmp_path, body))
        return made[-1]

    yield make
    for each in made:
        each.process.kill()
        each.process.wait()


def test_a_signal_reaches_every_process(supervised: Callable[[str], Supervised]) -> None:
    both = supervised(WAITS)
    both.until(lambda: len(both.told("start")) == 2)
    both.process.send_signal(signal.SIGINT)
    assert both.ends() == 0
    assert sorted(both.told("term")) == sorted(both.told("start"))


def test_processes_that_end_well_are_not_replaced(
    supervised: Callable[[str], Supervised],
) -> None:
    both = supervised("")
    assert both.ends() == 0
    assert len(both.told("start")) == 2


def test_processes_that_keep_dying_are_replaced_after_longer_and_longer_pauses(
    supervised: Callable[[str], Supervised],
) -> None:
    both = supervised("sys.exit(3)")
    both.until(lambda: len(both.told("start")) >= 6)
    both.process.terminate()
    assert both.ends() == 1
    said = both.log.read_text()
    for pause in ("0.1 s", "0.2 s", "0.4 s"):
        assert f"ended (3); another starts in {pause}" in said


def test_processes_learn_that_their_supervisor_was_killed(
    supervised: Callable[[str], Supervised],
) -> None:
    both = supervised(WAITS)
    both.until(lambda: len(both.told("start")) == 2)
    both.process.kill()
    both.until(lambda: len(both.told("alone")) == 2)


def test_a_second_interrupt_waits_for_nobody(supervised: Callable[[str], Supervised]) -> None:
    both = supervised("signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + WAITS)
    both.until(lambda: len(both.told("start")) == 2)
    both.process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    assert both.process.poll() is None
    both.process.send_signal(signal.SIGINT)
    assert both.ends() == 130
    assert not both.told("term")
