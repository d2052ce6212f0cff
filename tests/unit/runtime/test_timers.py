from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indelible.actors.runtime.timers import MAX_CANCELLED, Timers
from indelible.clock import ManualClock, SystemClock

DAY = 86_400_000_000


@pytest.fixture
def real() -> Iterator[Timers]:
    timers = Timers(SystemClock(), "test-timers")
    yield timers
    timers.close()


def test_weeks_of_timers_fire_in_the_order_of_due_and_key() -> None:
    clock = ManualClock()
    timers = Timers(clock)
    fired: list[str] = []
    start = clock.now()
    for day in reversed(range(30)):
        for key in "ba":
            name = f"{day:02}{key}"
            timers.at(start + day * DAY, key, lambda name=name: fired.append(name))  # type: ignore[misc]
    assert timers.run_due() == 2
    clock.advance(28 * 86_400)
    assert timers.run_due() == 56
    assert fired == sorted(fired)
    assert timers.next_due() == start + 29 * DAY
    assert len(timers) == 2


def test_a_manual_clock_brings_no_thread() -> None:
    timers = Timers(ManualClock(), "manual-timers")
    timers.at(0, "a", lambda: None)
    assert threads_named("manual-timers") == 0


def test_a_cancelled_timer_does_not_fire() -> None:
    timers = Timers(ManualClock())
    fired: list[str] = []
    first = timers.at(0, "a", lambda: fired.append("a"))
    timers.at(0, "b", lambda: fired.append("b"))
    assert timers.cancel(first)
    assert not timers.cancel(first)
    assert timers.run_due() == 1
    assert fired == ["b"]
    assert timers.next_due() is None


def test_a_timer_that_has_fired_cannot_be_cancelled() -> None:
    timers = Timers(ManualClock())
    timer = timers.at(0, "a", lambda: None)
    assert timers.run_due() == 1
    assert not timers.cancel(timer)
    assert len(timers) == 0


def test_cancelled_timers_do_not_pile_up() -> None:
    clock = ManualClock()
    timers = Timers(clock)
    keep = [timers.at(clock.now() + DAY, "keep", lambda: None) for _ in range(10)]
    for _ in range(10_000):
        timers.cancel(timers.at(clock.now() + DAY, "drop", lambda: None))
        assert len(timers._heap) <= 2 * (MAX_CANCELLED + len(keep) + 1)
    assert len(timers) == 10


def test_a_timer_set_by_a_callback_fires_in_the_same_run_if_due() -> None:
    timers = Timers(ManualClock())
    fired: list[str] = []

    def first() -> None:
        fired.append("first")
        timers.at(0, "z", lambda: fired.append("second"))

    timers.at(0, "a", first)
    assert timers.run_due() == 2
    assert fired == ["first", "second"]


def test_a_callback_that_raises_does_not_stop_the_next(caplog: pytest.LogCaptureFixture) -> None:
    timers = Timers(ManualClock())
    fired: list[str] = []

    def fail() -> None:
        raise ValueError("no")

    timers.at(0, "a", fail)
    timers.at(0, "b", lambda: fired.append("b"))
    assert timers.run_due() == 2
    assert fired == ["b"]
    assert "the callback of a timer raised" in caplog.text


@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from("abc"), st.booleans())))
def test_any_set_of_timers_fires_sorted_and_without_the_cancelled(
    wanted: list[tuple[int, str, bool]],
) -> None:
    clock = ManualClock(now=0)
    timers = Timers(clock)
    fired: list[tuple[int, str]] = []
    for due, key, cancelled in wanted:
        entry = (due * 1_000_000, key)
        timer = timers.at(*entry, lambda entry=entry: fired.append(entry))  # type: ignore[misc]
        if cancelled:
            timers.cancel(timer)
    for _ in range(6):
        timers.run_due()
        assert all(due <= clock.now() for due, _ in fired)
        clock.advance(1)
    timers.run_due()
    assert fired == sorted((due * 1_000_000, key) for due, key, gone in wanted if not gone)


# -- the thread


def test_the_thread_starts_with_the_first_timer_and_fires_in_order() -> None:
    clock = ManualClock()
    with closing(Timers(clock, "test-timers", threaded=True)) as timers:
        assert threads_named("test-timers") == 0
        fired: list[str] = []
        done = threading.Event()

        def last() -> None:
            fired.append("b")
            done.set()

        timers.at(clock.now() + 20_000, "b", last)
        assert threads_named("test-timers") == 1
        timers.at(clock.now() + 10_000, "a", lambda: fired.append("a"))
        assert not fired
        clock.advance(0.02)
        assert done.wait(50)
        assert fired == ["a", "b"]


def threads_named(name: str) -> int:
    return sum(thread.name == name for thread in threading.enumerate())


def test_an_earlier_timer_wakes_the_thread(real: Timers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("indelible.actors.runtime.timers.RECHECK_S", 3_600.0)
    done, waiting = threading.Event(), threading.Event()
    wait = real._changed.wait

    def wait_and_say_so(timeout: float | None = None) -> bool:
        waiting.set()  # the lock is held until the wait has begun
        return wait(timeout)

    monkeypatch.setattr(real._changed, "wait", wait_and_say_so)
    real.at(SystemClock().now() + DAY, "late", lambda: None)
    assert waiting.wait(50)
    real.at(0, "now", done.set)
    assert done.wait(50)
    assert len(real) == 1


def test_a_callback_that_leaves_does_not_end_the_thread(
    real: Timers, caplog: pytest.LogCaptureFixture
) -> None:
    def leave() -> None:
        raise SystemExit

    done = threading.Event()
    real.at(0, "a", leave)
    real.at(0, "b", done.set)
    assert done.wait(50)
    assert "the timers of its batch fire later" in caplog.text


def test_a_closed_one_fires_nothing(real: Timers) -> None:
    fired: list[str] = []
    real.at(SystemClock().now() + DAY, "a", lambda: fired.append("a"))
    real.close()
    timer = real.at(0, "b", lambda: fired.append("b"))
    assert not real.cancel(timer)
    assert real.run_due() == 0
    assert len(real) == 0
    assert not fired
