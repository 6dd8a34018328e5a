"""A run's questions at the terminal, over a real host."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator

import pytest
from rich.console import Console

from saaf_autogen.cli.following import WAITS, end_of, follow
from saaf_autogen.cli.terminal import Terminal
from saaf_autogen.client import Client, Run
from tests.asking_site import Script, asking_site, cut_off, paid, waiting
from tests.site import Site


@pytest.fixture(scope="module")
def script() -> Script:
    return Script()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, script: Script) -> Iterator[Site]:
    with asking_site(tmp_path_factory.mktemp("following"), script) as running:
        yield running


async def followed(site: Site, location: str, typed: str) -> tuple[Run, str]:
    """The run after somebody typed this, and what they saw."""
    steps = Console(file=io.StringIO(), width=200)
    async with Client(site.url, client_id="ann", client_secret=site.secret("ann")) as saaf:
        run = await saaf.runs.get(location.rpartition("/")[2])
        await follow(run, steps, Terminal(io.StringIO(typed)))
    assert isinstance(steps.file, io.StringIO)
    return run, steps.file.getvalue()


async def test_what_became_of_a_write_is_asked_until_it_can_be_read(
    site: Site, script: Script, capsys: pytest.CaptureFixture[str]
) -> None:
    location, _, _ = cut_off(site, script)
    before = paid(site)
    run, seen = await followed(site, location, 'maybe\ndone\n{broken\n{"paid": 5}\n')
    assert 'till.pay {"amount": 5}' in seen
    assert seen.count("done, retry or failed>") == 2
    assert "That is not JSON." in seen
    assert (end_of(run), run.status) == (0, "completed")
    assert '{"paid": 5}' in capsys.readouterr().out
    assert paid(site) == before


async def test_a_write_is_tried_again_when_they_say_so(site: Site, script: Script) -> None:
    location, _, _ = cut_off(site, script)
    before = len(paid(site))
    run, _ = await followed(site, location, "retry\n")
    assert run.status == "completed"
    assert len(paid(site)) == before + 1


@pytest.mark.parametrize("typed", ["", "done\n"])
async def test_at_the_end_of_input_the_run_waits_and_the_command_to_answer_it_is_named(
    site: Site, script: Script, typed: str
) -> None:
    location, question, _ = cut_off(site, script)
    run, seen = await followed(site, location, typed)
    assert f"saaf runs answer {run.id}" in seen
    assert end_of(run) == WAITS
    assert run.question == question


async def test_an_answer_that_is_refused_is_asked_for_again(site: Site) -> None:
    location, _ = waiting(site)
    run, seen = await followed(site, location, "x" * 200_001 + "\nShort.\n")
    assert "not valid" in seen
    assert run.output == "Booked: Short."


async def test_lines_come_from_a_file_of_the_system_as_they_are_typed() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading) as stream:
        terminal = Terminal(stream)
        os.write(writing, b"one \ntwo\nthr")
        assert await terminal.line() == "one"
        assert await terminal.line() == "two"
        os.write(writing, b"ee")
        os.close(writing)
        assert await terminal.line() == "three"
        assert await terminal.line() is None
