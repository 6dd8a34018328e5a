"""The page on waiting for humans: its code is run, its agent asks, its words are the code's."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from saaf_autogen import ActionContext, action
from saaf_autogen.actions.declaration import declaration_of
from saaf_autogen.actions.definition import ActionDefinition
from saaf_autogen.client import Client
from saaf_autogen.runs.inputs import QuestionKind, QuestionView, Resolution
from saaf_autogen.settings import RunSettings
from tests.asking_site import Script, asking_site
from tests.site import Site

PAGE = (Path(__file__).parent.parent.parent / "docs" / "humans.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    (agent,) = blocks("yaml")
    with asking_site(tmp_path_factory.mktemp("humans"), Script(), booking=agent) as running:
        yield running


async def test_the_loop_of_the_page_brings_a_run_of_its_agent_to_its_end(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    loop, _ = blocks("python")
    asked: list[str] = []

    def human(prompt: str) -> str:
        asked.append(prompt)
        return "The second."

    known: dict[str, Any] = {}
    source = "async def main(saaf, human):\n" + textwrap.indent(loop, "    ")
    exec(source, known)  # noqa: S102 - the page's own code
    async with Client(site.url, client_id="ann", client_secret=site.secret("ann")) as saaf:
        await known["main"](saaf, human)
    assert asked == ["Which one shall I book?"]
    assert capsys.readouterr().out == "Booked: The second.\n"


async def test_the_keyed_write_of_the_page_hands_its_key_on() -> None:
    _, source = blocks("python")
    sent: list[Any] = []

    class Bank:
        async def post(self, *request: Any) -> dict[str, Any]:
            sent.append(request)
            return {"paid": 250}

    known: dict[str, Any] = {
        "action": action,
        "ActionContext": ActionContext,
        "Any": Any,
        "bank": Bank(),
    }
    exec(source, known)  # noqa: S102 - the page's own code
    declared = declaration_of(known["pay_invoice"])
    assert declared is not None
    assert ActionDefinition.of(known["pay_invoice"], declared, pack="bank").spec.keyed
    context = type("Context", (), {"idempotency_key": "the key"})()
    assert await known["pay_invoice"]("2026-114", 250, context) == {"paid": 250}
    assert sent[0][2] == {"Idempotency-Key": "the key"}


def test_the_question_of_the_page_is_one() -> None:
    (example,) = blocks("json")
    shown = json.loads(example)
    times = {"run_id": "run_x", "asked_at": "2026-11-23T00:00:00Z"}
    assert QuestionView.model_validate({**shown, **times}).kind == "outcome_unknown"


def test_the_tables_name_every_kind_and_every_resolution() -> None:
    kinds, resolutions = (
        set(re.findall(r"^\| `(\w+)` \|", PAGE.split(f"| `{head}` |")[1].split("\n\n")[0], re.M))
        for head in ("kind", "resolution")
    )
    assert kinds == set(get_args(QuestionKind))
    assert resolutions == set(get_args(Resolution))


def test_the_page_tells_how_long_an_answer_is_awaited() -> None:
    assert f"(`runs.input_days`, {RunSettings().input_days:g} by default)" in PAGE


def test_the_agent_of_the_page_is_the_one_that_the_site_runs(site: Site) -> None:
    (agent,) = blocks("yaml")
    kept = yaml.safe_load((site.folder / "agents" / "booking.yaml").read_text())
    assert kept == yaml.safe_load(agent)
