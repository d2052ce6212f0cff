"""The clock of the host and the clock that moves only when told to."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from indelible.clock import Clock, ManualClock, SystemClock


def test_system_clock_counts_microseconds_since_1970() -> None:
    year_2020, year_2200 = 1_577_836_800_000_000, 7_258_118_400_000_000
    assert year_2020 < SystemClock().now() < year_2200


def test_system_clock_never_steps_back() -> None:
    clock = SystemClock()
    readings = [clock.monotonic() for _ in range(1_000)]
    assert readings == sorted(readings)


def test_processor_time_is_that_of_the_calling_thread() -> None:
    clock = SystemClock()
    before = clock.cpu()
    while clock.cpu() == before:
        pass
    mine = clock.cpu()
    readings: list[int] = []
    thread = threading.Thread(target=lambda: readings.append(clock.cpu()))
    thread.start()
    thread.join()
    assert clock.cpu() >= mine > before
    assert readings[0] >= 0


def test_manual_clock_stands_still_until_told() -> None:
    clock: Clock = ManualClock(now=5)
    assert [clock.now(), clock.now(), clock.monotonic(), clock.cpu()] == [5, 5, 0, 0]


def test_manual_clock_moves_instants_and_durations_together() -> None:
    clock = ManualClock(now=0)
    clock.advance(7 * 24 * 3600)
    clock.advance(0.000001)
    clock.advance(0)
    assert clock.now() == 604_800_000_001
    assert clock.monotonic() == 604_800_000_001_000


def test_manual_clock_refuses_to_go_back() -> None:
    clock = ManualClock(now=0)
    with pytest.raises(ValueError, match="give 0 or more"):
        clock.advance(-1)
    assert (clock.now(), clock.monotonic()) == (0, 0)


def test_manual_clock_loses_no_advance_between_threads() -> None:
    clock = ManualClock(now=0)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(clock.advance, [0.001] * 2_000))
    assert clock.now() == 2_000_000
