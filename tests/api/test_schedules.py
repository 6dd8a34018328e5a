"""Schedules over REST: a real host that keeps the times of a clock which the tests move."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import httpx
import pytest

from saaf_autogen.auth.clients import ClientStore
from saaf_autogen.client import Client
from saaf_autogen.errors import InvalidArguments, NotFound
from saaf_autogen.runs.tables import ScheduleRow
from saaf_autogen.testing.openai_server import OpenAIServer, Reply, Text
from tests.site import Site, serving_site

AGENT = """
saaf:
  title: Greets
  scopes: []
provider: autogen_agentchat.agents.AssistantAgent
config:
  name: greeter
  description: Greets.
  model_client: {provider: saaf_autogen.ModelClient, config: {name: default}}
  reflect_on_tool_use: false
  tool_call_summary_format: "{result}"
"""
SCOPES = ["agents:run", "runs:read", "runs:cancel", "schedules:manage"]
BODY: dict[str, Any] = {
    "cron": "0 7 * * *",
    "zone": "Europe/Berlin",
    "run": {"agent_id": "greeter", "input": "Good morning?"},
}


def greet(_body: dict[str, Any]) -> Reply:
    return Text("Good morning.")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("schedules") / "site"
    (folder / "agents").mkdir(parents=True)
    (folder / "agents" / "greeter.yaml").write_text(AGENT)
    with OpenAIServer(greet) as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("GREET_KEY", "any")
        model = {"provider": "openai", "model": "gpt-4o", "base_url": server.base_url}
        settings = {
            "models": {"default": {**model, "api_key_env": "GREET_KEY"}},
            "clients": [
                *({"id": name, "scopes": SCOPES} for name in ("ann", "bob", "leaver")),
                {"id": "reader", "scopes": ["runs:read", "agents:run"]},
                {"id": "keeper", "scopes": ["runs:read", "schedules:manage"]},
            ],
        }
        with serving_site(folder, settings) as running:
            yield running


def ask(
    site: Site, method: str, path: str = "", client: str = "ann", **more: Any
) -> httpx.Response:
    headers = {"Authorization": f"Bearer {site.token(client)}", **more.pop("headers", {})}
    return site.http.request(method, f"/v1/schedules{path}", headers=headers, **more)


def made(site: Site, client: str = "ann", **more: Any) -> dict[str, Any]:
    response = ask(site, "POST", client=client, json={**BODY, **more})
    assert response.status_code == 201, response.text
    document: dict[str, Any] = response.json()
    return document


def runs_of(site: Site, schedule_id: str, client: str = "ann") -> list[dict[str, Any]]:
    headers = {"Authorization": f"Bearer {site.token(client)}"}
    query = {"schedule_id": schedule_id}
    found: list[dict[str, Any]] = site.http.get("/v1/runs", params=query, headers=headers).json()[
        "data"
    ]
    return found


def until_ended(site: Site, schedule_id: str, client: str = "ann") -> dict[str, Any]:
    for _ in range(300):
        runs = runs_of(site, schedule_id, client)
        if runs and runs[0]["status"] not in ("queued", "running"):
            return runs[0]
        time.sleep(0.05)
    raise AssertionError(f"no run ended: {runs}")


def test_a_schedule_is_made_and_its_run_comes_at_its_time(site: Site) -> None:
    response = ask(site, "POST", json={**BODY, "name": "Mornings"})
    assert response.status_code == 201, response.text
    schedule = response.json()
    assert response.headers["Location"] == f"/v1/schedules/{schedule['id']}"
    assert response.headers["ETag"]
    first = datetime.fromisoformat(schedule["next_times"][0])
    assert first.strftime("%H:%M %z") == "07:00 +0100"
    site.clock.advance((first - site.clock.now()).total_seconds())
    run = until_ended(site, schedule["id"])
    assert (run["status"], run["output"]) == ("completed", "Good morning.")
    assert run["schedule_id"] == schedule["id"]
    seen = ask(site, "GET", f"/{schedule['id']}").json()
    assert (seen["last_run_id"], seen["last_error"]) == (run["id"], None)
    assert seen["next_times"][0] > schedule["next_times"][0]
    ask(site, "DELETE", f"/{schedule['id']}")


def test_a_client_that_was_disabled_starts_nothing_more(site: Site) -> None:
    schedule = made(site, "leaver", cron="* * * * *")
    clients: ClientStore = site.identity.clients
    clients.disable("leaver")
    site.identity._settle()
    site.clock.advance(60)

    def stored() -> ScheduleRow:
        with site.project.database.transaction(read=True) as session:
            row = session.get(ScheduleRow, schedule["id"])
            assert row is not None
            return row

    for _ in range(100):
        if stored().last_error:
            break
        time.sleep(0.05)
    row = stored()
    assert "no longer active" in str(row.last_error)
    assert (row.refusals, row.last_run_id) == (1, None)


def test_a_change_needs_the_tag_of_what_was_read(site: Site) -> None:
    schedule = made(site)
    path = f"/{schedule['id']}"
    tag = ask(site, "GET", path).headers["ETag"]
    patch = {"name": "Other", "run": {"input": "Good night?"}}
    assert ask(site, "PATCH", path, json=patch).status_code == 428
    changed = ask(site, "PATCH", path, json=patch, headers={"If-Match": tag})
    assert changed.status_code == 200, changed.text
    assert (changed.json()["name"], changed.json()["version"]) == ("Other", 2)
    assert changed.json()["run"]["agent_id"] == "greeter"
    assert changed.headers["ETag"] != tag
    assert ask(site, "PATCH", path, json=patch, headers={"If-Match": tag}).status_code == 412
    assert ask(site, "DELETE", path, headers={"If-Match": tag}).status_code == 412
    assert ask(site, "DELETE", path).status_code == 204
    assert ask(site, "GET", path).status_code == 404


def test_a_schedule_is_paused_resumed_and_run_now(site: Site) -> None:
    schedule = made(site)
    path = f"/{schedule['id']}"
    paused = ask(site, "POST", f"{path}/pause").json()
    assert (paused["enabled"], paused["next_times"]) == (False, [])
    started = ask(site, "POST", f"{path}/trigger", headers={"Idempotency-Key": "now"})
    again = ask(site, "POST", f"{path}/trigger", headers={"Idempotency-Key": "now"})
    assert started.status_code == 202
    assert started.json()["id"] == again.json()["id"]
    assert started.headers["Location"] == f"/v1/runs/{started.json()['id']}"
    assert until_ended(site, schedule["id"])["status"] == "completed"
    assert len(ask(site, "POST", f"{path}/resume").json()["next_times"]) == 5
    ask(site, "DELETE", path)


def test_schedules_of_others_are_not_there(site: Site) -> None:
    schedule = made(site)
    path = f"/{schedule['id']}"
    for method, below in (
        ("GET", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        ("POST", "/pause"),
        ("POST", "/resume"),
        ("POST", "/trigger"),
    ):
        body = {"name": "mine"} if method == "PATCH" else None
        headers = {"If-Match": "*"}
        response = ask(site, method, path + below, client="bob", json=body, headers=headers)
        assert response.status_code == 404, (method, below)
    assert ask(site, "GET", client="bob").json() == {"data": [], "next_cursor": None}
    assert runs_of(site, schedule["id"], "bob") == []
    assert [each["id"] for each in ask(site, "GET").json()["data"]] == [schedule["id"]]
    ask(site, "DELETE", path)


def test_schedules_need_their_scopes(site: Site) -> None:
    for client, missing in (("reader", "schedules:manage"), ("keeper", "agents:run")):
        response = ask(site, "POST", client=client, json=BODY)
        assert response.status_code == 403
        assert response.json()["missing_scopes"] == [missing]
    assert ask(site, "GET", client="reader").status_code == 403
    assert ask(site, "GET", client="keeper").status_code == 200
    assert site.http.get("/v1/schedules").status_code == 401


@pytest.mark.parametrize(
    ("more", "field", "remedy"),
    [
        ({"cron": "0 25 * * *"}, "cron", "hours are 0 to 23"),
        ({"cron": "0 0 30 2 *"}, "cron", "Choose a day"),
        ({"zone": "Europe/Munich"}, "zone", "time zone"),
    ],
)
def test_what_is_wrong_is_told_with_how_to_write_it(
    site: Site, more: dict[str, str], field: str, remedy: str
) -> None:
    problem = ask(site, "POST", json={**BODY, **more})
    assert problem.status_code == 422
    assert problem.headers["content-type"] == "application/problem+json"
    assert problem.json()["faults"][0]["field"] == field
    assert remedy in problem.json()["remedy"] + problem.json()["detail"]


def test_unknown_fields_and_parameters_are_refused(site: Site) -> None:
    assert ask(site, "POST", json={**BODY, "colour": "red"}).status_code == 422
    assert ask(site, "GET", params={"owner": "bob"}).status_code == 422
    assert ask(site, "POST", json=[BODY]).status_code == 422
    assert ask(site, "GET", params={"limit": 101}).status_code == 422


async def test_the_client_works_with_schedules_and_batches_far_away(site: Site) -> None:
    secret = site.secret("ann")
    async with Client(site.url, client_id="ann", client_secret=secret) as saaf:
        schedule = await saaf.schedules.create(
            "0 7 * * 1-5", "greeter", "Hello?", zone="Asia/Tokyo", metadata={"a": 1}
        )
        assert schedule.next_times[0].endswith("07:00:00+09:00")
        await schedule.change(overlap="queue", run={"metadata": {"a": None}})
        assert schedule.state["run"]["metadata"] == {}
        assert not (await schedule.pause()).enabled
        assert (await schedule.resume()).enabled
        run = await schedule.trigger()
        assert (await run.wait(timeout_s=20)).output == "Good morning."
        assert [each.id for each in await schedule.runs()] == [run.id]
        assert [each.id for each in await saaf.schedules.list()] == [schedule.id]
        await (await saaf.schedules.get(schedule.id)).remove()
        with pytest.raises(NotFound):
            await schedule.refresh()
        runs = await saaf.runs.create_many(
            [{"agent_id": "greeter", "input": f"{number}?"} for number in range(3)]
        )
        assert [run.state["input"] for run in runs] == ["0?", "1?", "2?"]
        assert [(await run.wait(timeout_s=20)).status for run in runs] == ["completed"] * 3
        with pytest.raises(InvalidArguments) as caught:
            await saaf.runs.create_many([{"agent_id": "greeter", "input": "x"}, {"agent_id": "y"}])
        assert caught.value.extra["errors"][0]["index"] == 1


def batch(site: Site, runs: Any, client: str = "ann", **headers: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {site.token(client)}", **headers}
    return site.http.post("/v1/runs/batch", json={"runs": runs}, headers=headers)


def test_a_batch_is_answered_in_its_order_and_its_key_makes_it_once(site: Site) -> None:
    runs = [{"agent_id": "greeter", "input": f"{number}?"} for number in range(4)]
    first = batch(site, runs, **{"Idempotency-Key": "a batch"})
    assert first.status_code == 202, first.text
    assert [run["input"] for run in first.json()["data"]] == [run["input"] for run in runs]
    again = batch(site, runs, **{"Idempotency-Key": "a batch"})
    assert [run["id"] for run in again.json()["data"]] == [
        run["id"] for run in first.json()["data"]
    ]
    other = batch(site, runs[:3], **{"Idempotency-Key": "a batch"})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")


def test_every_fault_of_a_batch_is_told_with_its_index(site: Site) -> None:
    good = {"agent_id": "greeter", "input": "x"}
    problem = batch(site, [good, {**good, "agent_id": "nobody"}, {**good, "colour": 1}, 7])
    assert problem.status_code == 422
    assert problem.headers["content-type"] == "application/problem+json"
    assert [each["index"] for each in problem.json()["errors"]] == [1, 2, 3]


@pytest.mark.parametrize("runs", [[], None, {}, [{"agent_id": "greeter", "input": "x"}] * 101])
def test_a_batch_of_another_form_or_size_is_refused(site: Site, runs: Any) -> None:
    assert batch(site, runs).status_code == 422
    assert batch(site, [], client="keeper").status_code in (403, 422)
