"""The campaigns of ``make chaos`` in small: a few runs, a few deaths, on both databases."""

from __future__ import annotations

import pytest

from tests.chaos.campaigns.cancel import cancel_elsewhere, cancel_here
from tests.chaos.campaigns.disk import full_by_limit
from tests.chaos.campaigns.kills import kills_on
from tests.chaos.campaigns.restarts import restarts_of
from tests.chaos.campaigns.takeover import takeover_on
from tests.chaos.place import Place
from tests.chaos.report import Report

DATABASES = pytest.mark.parametrize("kind", ["sqlite", "postgresql"])


@DATABASES
def test_runs_survive_the_death_of_whoever_executes_them(
    kind: str, report: Report, place: Place
) -> None:
    kills_on(report, place, kind, runs=12, deaths=2, recovery_s=120)
    assert report.faults == []


def test_a_worker_that_slept_past_its_lease_does_nothing_more(report: Report, place: Place) -> None:
    takeover_on(report, place, "postgresql", runs=12, lease_s=2)
    assert report.faults == []


def test_runs_survive_restarts_of_their_database(report: Report, place: Place) -> None:
    restarts_of(report, place, times=2, runs=10)
    assert report.faults == []


def test_a_full_disk_refuses_new_runs_and_keeps_those_under_way(
    report: Report, place: Place
) -> None:
    full_by_limit(report, place, runs=8)
    assert report.faults == []


def test_cancelled_in_any_state_a_run_leaves_nothing_behind(report: Report, place: Place) -> None:
    cancel_here(report, place, rounds=1, at_once=2)
    assert report.faults == []


def test_a_run_on_another_worker_is_cancelled_within_a_second(report: Report, place: Place) -> None:
    states = ("a model call", "a tool", "a nested team", "a human wait")
    cancel_elsewhere(report, place, "postgresql", at_once=2, states=states)
    assert report.faults == []
