"""Every shape of team, killed in mid-run: its messages are those of an uninterrupted run."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from saaf_autogen.runs.model import TERMINAL
from saaf_autogen.testing.openai_server import OpenAIServer, Reply, Slow
from tests.chaos.chance import chance
from tests.chaos.checks import log_faults, story
from tests.chaos.killing import Killer
from tests.chaos.place import Place
from tests.chaos.report import Report
from tests.chaos.site import TOOL_SCOPES, Site, open_site
from tests.teams.durability.shapes import SHAPES, Shape

__all__ = ["shapes", "shapes_of"]

_PAUSE_S = 0.15


def shapes(report: Report, place: Place) -> None:
    """All shapes at once, wave after wave, until each was hit often enough."""
    waves, hits = (3, 1) if place.quick else (12, 2)
    shapes_of(report, place, sorted(SHAPES), waves=waves, hits=hits)


def shapes_of(report: Report, place: Place, names: Sequence[str], *, waves: int, hits: int) -> None:
    """At most so many waves of these shapes; each shall be hit in mid-run so often."""
    campaign = "kill -9, every shape"
    report.begin(campaign)
    chosen = {name: SHAPES[name] for name in names}
    killer = Killer(place.seed, 10**6, 2 * len(chosen))
    with ExitStack() as stack:
        servers = {
            name: stack.enter_context(_Models(place.seed, name, shape, killer))
            for name, shape in chosen.items()
        }
        models = {name: _model(server) for name, server in servers.items()}
        agents = {name: _agent(name, shape) for name, shape in chosen.items()}
        site = stack.enter_context(
            open_site(
                place.folder("shapes"), place.seed, agents=agents, more={"models": models},
                runs={"concurrency": 16, "max_crashes": 100},
            )
        )  # fmt: skip
        site.environ["CHAOS_PROBE_S"] = "0.05"
        node = site.node("host", "both")
        crowd = _Shapes(site, chosen)
        references = {name: story(site.caller.events(run)) for name, run in crowd.wave(0).items()}
        struck: Counter[str] = Counter()
        faults, done = [], 0
        for wave in range(1, waves + 1):
            killer.begin([node], site.store)
            runs = crowd.wave(wave)
            killer.pause()
            site.ready(node)
            for name, run in runs.items():
                events = site.caller.events(run)
                expected = references[name]
                if chosen[name].parallel:
                    faults += log_faults(f"{name} {run}", events, None)
                    if _sorted(story(events)) != _sorted(expected):
                        faults.append(f"{name} {run} tells another story")
                else:
                    faults += log_faults(f"{name} {run}", events, expected)
            of = {run: name for name, run in runs.items()}
            struck += Counter(of[h.run] for k in killer.kills for h in k.held if h.run in of)
            done = wave
            if all(struck[name] >= hits for name in chosen):
                break
        report.add(campaign, "shapes", len(chosen))
        report.add(campaign, "waves", done)
        report.add(campaign, "kills", len(killer.kills))
        report.add(campaign, "hits in mid-run, by shape", dict(sorted(struck.items())))
        least = min(struck[name] for name in chosen)
        report.add(campaign, "hits of the shape with the fewest", least, bound=f">= {hits}",
                   ok=least >= hits)  # fmt: skip
        report.none(campaign, "runs that differ from an uninterrupted one", faults)


class _Shapes:
    """Runs of every shape at once, whose questions are answered as their humans would."""

    def __init__(self, site: Site, chosen: Mapping[str, Shape]) -> None:
        self._site = site
        self._chosen = chosen
        self._answered: set[str] = set()

    def wave(self, number: int) -> dict[str, str]:
        """One run of each, to its end."""
        runs = {
            name: self._site.caller.run(name, shape.task, f"wave-{number}-{name}")
            for name, shape in self._chosen.items()
        }
        said: Counter[str] = Counter()
        deadline = time.monotonic() + 180
        while True:
            stored = self._site.store.runs()
            open_ = [name for name, run in runs.items() if stored[run]["status"] not in TERMINAL]
            if not open_:
                return runs
            assert time.monotonic() < deadline, f"these do not end: {open_}"
            self._answer({run: name for name, run in runs.items()}, said)
            time.sleep(0.1)

    def _answer(self, of: Mapping[str, str], said: Counter[str]) -> None:
        for question in self._site.store.questions():
            if question.id in self._answered:
                continue
            name = of[question.run]
            text = self._chosen[name].answers[said[name]]
            body = {"question_id": question.id, "text": text}
            self._site.caller.insist(
                "POST", f"/v1/runs/{question.run}/input", body, key=question.id
            )
            self._answered.add(question.id)
            said[name] += 1


class _Models(OpenAIServer):
    """The models of one shape, with small delays and moments at which to kill."""

    def __init__(self, seed: int, name: str, shape: Shape, killer: Killer) -> None:
        super().__init__(shape.script)
        self._chance = (seed, name)
        self._killer = killer

    def reply(self, body: dict[str, Any], authorization: str) -> Reply:
        said = super().reply(body, authorization)
        self._killer.watch("model")
        pause = chance(*self._chance, len(self.requests)).uniform(0, _PAUSE_S)
        return Slow(pause, said)


def _model(server: OpenAIServer) -> dict[str, Any]:
    known = {"vision": False, "function_calling": True, "json_output": True,
             "structured_output": True, "family": "unknown"}  # fmt: skip
    return {"provider": "openai", "model": "test", "base_url": server.base_url,
            "api_key_env": "CHAOS_MODEL_KEY", "model_info": known}  # fmt: skip


def _agent(name: str, shape: Shape) -> dict[str, Any]:
    config: dict[str, Any] = _with_model(shape.config, name)
    return {"saaf": {"title": name, "scopes": list(TOOL_SCOPES)}, **config}


def _with_model(part: Any, name: str) -> Any:
    """The same config, with a model of its own."""
    if isinstance(part, list):
        return [_with_model(each, name) for each in part]
    if not isinstance(part, dict):
        return part
    if part.get("provider") == "saaf_autogen.ModelClient":
        return {**part, "config": {**part["config"], "name": name}}
    return {key: _with_model(value, name) for key, value in part.items()}


def _sorted(told: Sequence[Any]) -> list[str]:
    return sorted(map(repr, told))
