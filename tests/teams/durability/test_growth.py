from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise

import pytest

from saaf_autogen.runs.history import change_between
from tests.teams.durability.machine import Durable
from tests.teams.durability.shapes import SHAPES


@pytest.mark.parametrize("name", ["streamed", "nested", "society", "filtered", "team_tool"])
async def test_what_a_turn_adds_to_the_state_does_not_grow_with_the_run(name: str) -> None:
    config = json.loads(json.dumps(SHAPES[name].config))
    config["config"]["max_turns"] = 24
    run = Durable(replace(SHAPES[name], config=config))
    await run.run()
    states = [request.state for request, _ in run.requests[1:]]
    added = [len(json.dumps(change_between(before, after))) for before, after in pairwise(states)]
    # Turns of the same speakers, at the start and at the end: a few digits more.
    assert sum(added[-4:]) < 1.1 * sum(added[1:5])
