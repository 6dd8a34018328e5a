"""Runs that ask, over a real host: AutoGen's own human, and a write that was cut off."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import yaml

from saaf_autogen.actions.effects import EffectKey, EffectStore
from saaf_autogen.actions.spec import ActionOutcome
from saaf_autogen.auth.principal import Principal
from saaf_autogen.client import Client
from saaf_autogen.errors import Conflict, InputRequired, TimedOut
from saaf_autogen.testing.openai_server import Calls, OpenAIServer, Reply, Text
from tests.site import Site, serving_site
from tests.teams.support import agent_file, assistant, team, workbench

PACK = r'''
"""A till that takes money: once too often is a complaint."""

from pathlib import Path

from saaf_autogen import ActionContext, action

SCOPES = {"tools.till:pay": "Take money."}
FILE = Path(__file__).parent / "paid.txt"


@action(scopes=["tools.till:pay"], effect="write")
def pay(amount: int, ctx: ActionContext) -> dict[str, int]:
    """Take an amount."""
    with FILE.open("a") as file:
        file.write(f"{amount} {ctx.idempotency_key}\n")
    return {"paid": amount}
'''
SCOPES = ["agents:run", "runs:read", "runs:cancel", "runs:input", "tools.till:pay"]
HUMAN = {
    "provider": "autogen_agentchat.agents.UserProxyAgent",
    "config": {"name": "human", "description": "A human."},
}


class Script:
    """The model: ``clerk`` greets; ``payer`` pays, once ``may_pay`` is set."""

    def __init__(self) -> None:
        self.may_pay = threading.Event()

    def __call__(self, body: dict[str, Any]) -> Reply:
        results = [each for each in body["messages"] if each["role"] == "tool"]
        if results:
            return Text(f"The till said: {results[-1]['content']}")
        if "payer" not in str(body["messages"][0]):
            return Text("Which one shall I book?")
        self.may_pay.wait(20)
        return Calls([("till_pay", {"amount": 5})])


@pytest.fixture(scope="module")
def script() -> Script:
    return Script()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, script: Script) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("asking")
    payer = assistant("payer", workbench=workbench("till.*"), max_tool_iterations=3)
    agents = {
        "booking": team(assistant("clerk"), HUMAN, max_turns=2),
        "paying": team(payer, max_turns=1),
    }
    (folder / "agents").mkdir()
    for name, config in agents.items():
        text = yaml.safe_dump(agent_file(config, scopes=["tools.till:pay"]))
        (folder / "agents" / f"{name}.yaml").write_text(text)
    (folder / "tools").mkdir()
    (folder / "tools" / "till.py").write_text(PACK)
    with OpenAIServer(script) as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("MODEL_KEY", "any")
        model = {
            "provider": "openai",
            "model": "gpt-4o",
            "base_url": server.base_url,
            "api_key_env": "MODEL_KEY",
        }
        settings = {
            "models": {"default": model},
            "clients": [
                {"id": "ann", "scopes": SCOPES},
                {"id": "bob", "scopes": SCOPES},
                {"id": "reader", "scopes": ["runs:read"]},
            ],
        }
        with serving_site(folder, settings) as running:
            yield running


def bearer(site: Site, client: str = "ann") -> dict[str, str]:
    return {"Authorization": f"Bearer {site.token(client)}"}


def started(site: Site, agent: str) -> str:
    body = {"agent_id": agent, "input": "Go."}
    response = site.http.post("/v1/runs", json=body, headers=bearer(site))
    assert response.status_code == 202, response.text
    return str(response.headers["location"])


def until(site: Site, location: str, *states: str) -> dict[str, Any]:
    deadline = time.monotonic() + 30
    while True:
        run: dict[str, Any] = site.http.get(location, headers=bearer(site)).json()
        if run["status"] in states:
            return run
        assert time.monotonic() < deadline, run
        time.sleep(0.03)


def waiting(site: Site, agent: str = "booking") -> tuple[str, dict[str, Any]]:
    location = started(site, agent)
    run = until(site, location, "input_required")
    question: dict[str, Any] = run["question"]
    return location, question


def answer(
    site: Site, location: str, body: dict[str, Any], client: str = "ann", **headers: str
) -> httpx.Response:
    sent = {**bearer(site, client), **headers}
    return site.http.post(f"{location}/input", json=body, headers=sent)


def test_a_user_proxy_asks_and_its_human_answers_over_rest(site: Site) -> None:
    location, question = waiting(site)
    assert (question["kind"], question["source"]) == ("input", "human")
    assert question["prompt"] == "Which one shall I book?"
    listed = site.http.get(f"{location}/input", headers=bearer(site)).json()
    assert listed == {"data": [question], "next_cursor": None}
    site.clock.advance(3 * 86_400)
    response = answer(site, location, {"question_id": question["id"], "text": "The second."})
    assert response.status_code == 200
    assert response.json()["question"] is None
    run = until(site, location, "completed")
    assert run["output"] == "The second."
    assert run["usage"]["model_calls"] == 1
    events = site.http.get(f"{location}/events", headers=bearer(site)).json()["data"]
    said = [each["data"]["content"] for each in events if each["type"] == "message.completed"]
    assert said.count("Which one shall I book?") == 1
    assert said[-1] == "The second."


def test_the_second_answer_is_told_who_was_first(site: Site) -> None:
    location, question = waiting(site)
    body = {"question_id": question["id"], "text": "Yes."}
    first = answer(site, location, body, **{"Idempotency-Key": "once"})
    again = answer(site, location, body, **{"Idempotency-Key": "once"})
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json()["id"] == again.json()["id"]
    changed = answer(site, location, {**body, "text": "No."}, **{"Idempotency-Key": "once"})
    assert (changed.status_code, changed.json()["code"]) == (422, "idempotency_mismatch")
    other = answer(site, location, {**body, "text": "No."})
    assert other.status_code == 409
    assert "client:ann" in other.json()["answered_by"]
    assert other.json()["answered_at"]
    assert until(site, location, "completed")["output"] == "Yes."


@pytest.mark.parametrize(
    "body",
    [
        {"text": "x"},
        {"question_id": "inp_x"},
        {"question_id": "inp_x", "text": ""},
        {"question_id": "inp_x", "text": "x", "resolution": "done"},
        {"question_id": "inp_x", "text": "x", "value": 1},
        {"question_id": "inp_x", "resolution": "retry", "value": 1},
        {"question_id": "inp_x", "resolution": "perhaps"},
        {"question_id": "inp_x", "text": "x", "answered_by": "me"},
        {"question_id": "inp_x", "resolution": "done", "value": "x" * 70_000},
    ],
)
def test_an_answer_that_cannot_be_is_refused(site: Site, body: dict[str, Any]) -> None:
    response = answer(site, "/v1/runs/run_none", body)
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"


def test_runs_of_others_and_questions_of_other_runs_are_not_found(site: Site) -> None:
    location, question = waiting(site)
    other, others = waiting(site)
    body = {"question_id": question["id"], "text": "Mine."}
    theirs = answer(site, location, body, "bob")
    nowhere = answer(site, "/v1/runs/run_none", body, "bob")
    assert theirs.status_code == nowhere.status_code == 404
    assert theirs.json()["detail"] == nowhere.json()["detail"]
    assert site.http.get(f"{location}/input", headers=bearer(site, "bob")).status_code == 404
    assert answer(site, location, {**body, "question_id": others["id"]}).status_code == 404
    for each in (location, other):
        assert site.http.post(f"{each}/cancel", headers=bearer(site)).json()["status"] == (
            "cancelled"
        )
        (closed,) = site.http.get(f"{each}/input", headers=bearer(site)).json()["data"]
        assert closed["state"] == "withdrawn"
    assert answer(site, location, body).status_code == 409


def test_answering_needs_its_scope(site: Site) -> None:
    location, question = waiting(site)
    body = {"question_id": question["id"], "text": "x"}
    response = answer(site, location, body, "reader")
    assert response.status_code == 403
    assert response.json()["missing_scopes"] == ["runs:input"]
    assert site.http.post(f"{location}/input", json=body).status_code == 401


def test_the_document_shows_an_answer_of_each_kind(site: Site) -> None:
    document = site.http.get("/openapi.json").json()
    operations = document["paths"]["/v1/runs/{run_id}/input"]
    examples = operations["post"]["requestBody"]["content"]["application/json"]["examples"]
    assert set(examples) == {"text", "done", "retry", "failed"}
    assert document["paths"]["/v1/actions/till.pay"]["post"]["x-saaf-keyed"] is False


def paid(site: Site) -> list[str]:
    file = site.folder / "tools" / "paid.txt"
    return file.read_text().splitlines() if file.exists() else []


@pytest.fixture
def cut_off(site: Site, script: Script) -> tuple[str, dict[str, Any], EffectKey]:
    """A run whose write was begun by a worker that is gone: its location, question and key."""
    script.may_pay.clear()
    location = started(site, "paying")
    run_id = location.rpartition("/")[2]
    until(site, location, "running")
    who: Principal = site.on_loop(site.identity.verifier.verify(site.token("ann"))).principal
    key = EffectKey.of(
        who,
        f"{run_id}:0:tool:team/payer:0:0",
        action="till.pay",
        arguments={"amount": 5},
        effect="write",
    )
    effects = EffectStore(site.project.database, site.clock, lease_s=3_600)
    asyncio.run(effects.reserve(key, "call_cut_off", holder="a worker that is gone"))
    script.may_pay.set()
    run = until(site, location, "input_required")
    return location, run["question"], key


Cut = tuple[str, dict[str, Any], EffectKey]


@pytest.mark.parametrize(
    ("said", "pays", "told"),
    [
        ({"resolution": "done", "value": {"paid": 5}}, 0, '{"paid": 5}'),
        ({"resolution": "retry"}, 1, '{"paid": 5}'),
        ({"resolution": "failed"}, 0, "had no effect"),
    ],
    ids=["done", "retry", "failed"],
)
def test_a_write_that_was_cut_off_waits_for_a_human_and_is_done_at_most_once(
    site: Site, cut_off: Cut, said: dict[str, Any], pays: int, told: str
) -> None:
    location, question, _ = cut_off
    before = len(paid(site))
    assert question["kind"] == "outcome_unknown"
    assert question["data"]["action"] == "till.pay"
    assert question["data"]["arguments"] == {"amount": 5}
    assert question["data"]["first_call_id"] == "call_cut_off"
    wrong = answer(site, location, {"question_id": question["id"], "text": "It was done."})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid_arguments")
    response = answer(site, location, {"question_id": question["id"], **said})
    assert response.status_code == 200, response.text
    run = until(site, location, "completed", "failed")
    assert told in run["output"]
    assert len(paid(site)) - before == pays
    assert run["usage"]["model_calls"] == 2


def test_a_cut_off_write_that_comes_back_is_believed(site: Site, cut_off: Cut) -> None:
    location, question, key = cut_off
    before = len(paid(site))
    effects = EffectStore(site.project.database, site.clock, lease_s=3_600)
    asyncio.run(effects.finish(key, ActionOutcome({"paid": 5}, None, "call_cut_off")))
    failed = answer(site, location, {"question_id": question["id"], "resolution": "failed"})
    assert failed.status_code == 409
    retry = answer(site, location, {"question_id": question["id"], "resolution": "retry"})
    assert retry.status_code == 200
    assert '{"paid": 5}' in until(site, location, "completed")["output"]
    assert len(paid(site)) == before


async def test_a_run_in_its_callers_hands_says_what_it_waits_for_and_takes_the_answer(
    site: Site,
) -> None:
    async with Client(site.url, client_id="ann", client_secret=site.secret("ann")) as saaf:
        run = await saaf.runs.create("booking", "Go.")
        with pytest.raises(InputRequired, match="Which one shall I book") as caught:
            await run.wait(timeout_s=30)
        assert run.question is not None
        assert caught.value.extra["question"] == run.question
        assert run.id in [each.id for each in await saaf.runs.list(status="input_required")]
        stale = await saaf.runs.get(run.id)
        await run.answer("The first.")
        with pytest.raises(Conflict, match="answered by"):
            await stale.answer("The second.")
        await run.wait(timeout_s=30)
        assert run.output == "The first."
        assert not run.question
        with pytest.raises(Conflict, match="waits for no answer"):
            await run.answer("Too late.")


async def test_who_waits_until_the_question_gets_it_and_the_stream_goes_on_after_it(
    site: Site,
) -> None:
    async with Client(site.url, client_id="ann", client_secret=site.secret("ann")) as saaf:
        run = await saaf.runs.create("booking", "Go.")
        assert (await run.wait(until="input", timeout_s=30)).question
        types: list[str] = []
        async for event in run.stream():
            types.append(event["type"])
            if event["type"] == "run.input_required":
                assert event["data"]["id"] == (run.question or {})["id"]
                await run.answer("Any.")
        assert types[-1] == "run.completed"
        assert types.count("run.input_required") == 1
        assert (await run.wait(until="input", timeout_s=30)).output == "Any."


async def test_waiting_is_bounded_while_the_run_is_at_work(site: Site, script: Script) -> None:
    script.may_pay.clear()
    async with Client(site.url, client_id="ann", client_secret=site.secret("ann")) as saaf:
        run = await saaf.runs.create("paying", "Go.")
        with pytest.raises(TimedOut):
            await run.wait(timeout_s=0.3)
        await run.cancel()
    script.may_pay.set()
