"""Runs that ask, over a real host: AutoGen's own human, and a write that was cut off."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from saaf_autogen.actions.effects import EffectStore
from saaf_autogen.actions.spec import ActionOutcome
from saaf_autogen.client import Client
from saaf_autogen.errors import Conflict, InputRequired, TimedOut
from tests.asking_site import (
    Script,
    answer,
    asking_site,
    bearer,
    cut_off,
    paid,
    until,
    waiting,
)
from tests.site import Site


@pytest.fixture(scope="module")
def script() -> Script:
    return Script()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, script: Script) -> Iterator[Site]:
    with asking_site(tmp_path_factory.mktemp("asking"), script) as running:
        yield running


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
    assert run["output"] == "Booked: The second."
    assert run["usage"]["model_calls"] == 2
    events = site.http.get(f"{location}/events", headers=bearer(site)).json()["data"]
    said = [each["data"]["content"] for each in events if each["type"] == "message.completed"]
    assert said.count("Which one shall I book?") == 1
    assert said[-2:] == ["The second.", "Booked: The second."]


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
    assert until(site, location, "completed")["output"] == "Booked: Yes."


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
    site: Site, script: Script, said: dict[str, Any], pays: int, told: str
) -> None:
    location, question, _ = cut_off(site, script)
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


def test_a_cut_off_write_that_comes_back_is_believed(site: Site, script: Script) -> None:
    location, question, key = cut_off(site, script)
    before = len(paid(site))
    effects = EffectStore(site.project.database, site.clock, lease_s=3_600)
    site.on_loop(effects.finish(key, ActionOutcome({"paid": 5}, None, "call_cut_off")))
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
        assert run.output == "Booked: The first."
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
        assert (await run.wait(until="input", timeout_s=30)).output == "Booked: Any."


async def test_waiting_is_bounded_while_the_run_is_at_work(site: Site, script: Script) -> None:
    script.may_pay.clear()
    async with Client(site.url, client_id="ann", client_secret=site.secret("ann")) as saaf:
        run = await saaf.runs.create("paying", "Go.")
        with pytest.raises(TimedOut):
            await run.wait(timeout_s=0.3)
        await run.cancel()
    script.may_pay.set()
