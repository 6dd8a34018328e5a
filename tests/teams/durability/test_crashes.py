"""Every shape, turn by turn and with a crash at every point: what AutoGen makes in one go."""

from __future__ import annotations

from typing import Any

import pytest

from tests.teams.durability.machine import Durable, by_autogen, told
from tests.teams.durability.shapes import SHAPES, Shape

every_shape = pytest.mark.parametrize("shape", SHAPES.values(), ids=list(SHAPES))


def in_order(shape: Shape, events: list[Any]) -> list[Any]:
    return sorted(events) if shape.parallel else events


@every_shape
async def test_a_run_in_turns_is_the_run_that_autogen_makes_in_one_go(shape: Shape) -> None:
    whole = await by_autogen(shape)
    turns = await Durable(shape).run()
    assert in_order(shape, turns.events) == in_order(shape, whole.events)
    assert turns.stop == whole.stop
    assert turns.stop.startswith(shape.stop)
    assert (turns.asked, turns.called) == (whole.asked, whole.called)
    if not shape.parallel:
        assert turns.state == whole.state
    assert turns.output == whole.output == shape.output
    assert in_order(shape, turns.said) == in_order(shape, list(shape.said))


@every_shape
async def test_crashes_at_every_point_one_after_the_other_change_nothing(shape: Shape) -> None:
    whole = await by_autogen(shape)
    turns = await Durable(shape).run(crash=True)
    assert in_order(shape, turns.events) == in_order(shape, whole.events)
    assert (turns.stop, turns.output) == (whole.stop, whole.output)
    if not shape.parallel:
        assert turns.state == whole.state


@every_shape
async def test_a_crash_at_any_one_point_changes_nothing_and_repeats_only_what_was_in_flight(
    shape: Shape,
) -> None:
    run = Durable(shape)
    await run.run()
    for (request, answers), points in zip(run.requests, run.points, strict=True):
        told_in_turn = [told(event) for event in run.events_of(request.turn)]
        for point in range(points):
            again = Durable(shape, run.models)
            again.answers = list(answers)
            await again.turn(request, [point])
            events = [told(event) for event in again.events_of(request.turn)]
            assert in_order(shape, events) == in_order(shape, told_in_turn)
