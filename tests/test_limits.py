from __future__ import annotations

import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import pytest

from saaf_autogen.errors import RateLimited
from saaf_autogen.limits import Limits, RateLimiter
from saaf_autogen.settings import LimitSettings
from saaf_autogen.testing import ManualClock


def take_all(limiter: RateLimiter, *who: str) -> int:
    """How many calls are let through until one is refused."""
    for count in range(10_000):
        try:
            limiter.take(*who)
        except RateLimited:
            return count
    raise AssertionError("nothing was refused")


def test_so_many_calls_a_minute_and_no_more() -> None:
    clock = ManualClock()
    limiter = RateLimiter("calls", 10, clock)
    assert [limiter.take("ann").remaining for _ in range(10)] == list(range(9, -1, -1))
    with pytest.raises(RateLimited) as refused:
        limiter.take("ann")
    assert refused.value.extra["retry_after"] >= 1
    assert limiter.take("bob").remaining == 9


def test_the_wait_that_is_told_is_long_enough_and_not_much_too_long() -> None:
    for calls, pause in ((10, 0), (10, 30), (3, 0), (1, 7), (600, 59)):
        clock = ManualClock()
        limiter = RateLimiter("calls", calls, clock)
        clock.advance(pause)
        take_all(limiter, "ann")
        for _ in range(3):
            with pytest.raises(RateLimited) as refused:
                limiter.take("ann")
            wait = refused.value.extra["retry_after"]
            if wait > 2:
                clock.advance(wait - 2)
                with pytest.raises(RateLimited):
                    limiter.take("ann")
                clock.advance(2)
            else:
                clock.advance(wait)
            limiter.take("ann")
            take_all(limiter, "ann")


def test_no_minute_has_twice_the_calls_where_two_windows_meet() -> None:
    clock = ManualClock()
    limiter = RateLimiter("calls", 100, clock)
    clock.advance(59)
    assert take_all(limiter, "ann") == 100
    clock.advance(2)
    # 59 seconds of the window before still weigh.
    assert take_all(limiter, "ann") <= 2
    clock.advance(30)
    assert 40 <= take_all(limiter, "ann") <= 60


def test_after_two_idle_minutes_everything_is_there_again() -> None:
    clock = ManualClock()
    limiter = RateLimiter("calls", 5, clock)
    take_all(limiter, "ann")
    clock.advance(120)
    assert take_all(limiter, "ann") == 5


def test_threads_together_get_no_more_than_one_alone() -> None:
    limiter = RateLimiter("calls", 500, ManualClock())

    def work(_: int) -> int:
        passed = 0
        for _number in range(100):
            try:
                limiter.take("ann")
                passed += 1
            except RateLimited:
                pass
        return passed

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(work, range(8))) == 500


def test_who_changes_their_name_with_every_call_does_not_fill_the_memory() -> None:
    limiter = RateLimiter("calls", 5, ManualClock(), capacity=2_000)
    tracemalloc.start()
    for number in range(2_000):
        limiter.take(f"2001:db8:{number:x}::/64")
    full = tracemalloc.get_traced_memory()[0]
    for number in range(2_000, 40_000):
        limiter.take(f"2001:db8:{number:x}::/64" + "x" * 10_000)
    # A name is kept to its first 300 characters.
    assert tracemalloc.get_traced_memory()[0] < full * 3 + 1_000_000
    tracemalloc.stop()
    assert len(limiter.windows) == 2_000


def test_who_calls_all_the_time_is_not_forgotten_for_others() -> None:
    limiter = RateLimiter("calls", 5, ManualClock(), capacity=100)
    take_all(limiter, "ann")
    for number in range(1_000):
        limiter.take(f"name{number}")
        with pytest.raises(RateLimited):
            limiter.take("ann")


def test_headers_are_those_of_the_draft() -> None:
    room = RateLimiter("calls", 600, ManualClock()).take("ann")
    assert room.headers() == {
        "RateLimit-Policy": '"calls";q=600;w=60',
        "RateLimit": '"calls";r=599;t=60',
    }


def test_a_host_has_a_limiter_for_each_kind_of_caller() -> None:
    limits = Limits(LimitSettings(unauthenticated_per_minute=7), ManualClock())
    assert take_all(limits.strangers, "192.0.2.1") == 7
    assert limits.calls.take("ann").limit == 600


def test_a_call_may_count_as_many_and_is_let_through_whole_or_not_at_all() -> None:
    clock = ManualClock()
    limiter = RateLimiter("calls", 100, clock)
    assert limiter.take("ann", cost=60).remaining == 40
    with pytest.raises(RateLimited):
        limiter.take("ann", cost=41)
    assert limiter.take("ann", cost=40).remaining == 0
    with pytest.raises(RateLimited, match="Send less"):
        limiter.take("ann", cost=101)


def test_the_wait_for_many_calls_is_long_enough_and_not_much_too_long() -> None:
    for used, cost, pause in ((100, 50, 0), (100, 100, 30), (30, 90, 10), (100, 1, 59)):
        clock = ManualClock()
        limiter = RateLimiter("calls", 100, clock)
        clock.advance(pause)
        limiter.take("ann", cost=used)
        with pytest.raises(RateLimited) as refused:
            limiter.take("ann", cost=cost)
        wait = refused.value.extra["retry_after"]
        if wait > 2:
            clock.advance(wait - 2)
            with pytest.raises(RateLimited):
                limiter.take("ann", cost=cost)
            clock.advance(2)
        else:
            clock.advance(wait)
        limiter.take("ann", cost=cost)
