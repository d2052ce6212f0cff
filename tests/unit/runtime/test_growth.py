from __future__ import annotations

import threading

from hypothesis import given
from hypothesis import strategies as st

from indelible.actors.runtime.pool.growth import WATCH_INTERVAL_S, GrowthWatcher, PoolGrowth
from indelible.clock import SystemClock


def test_tasks_that_wait_double_the_width_up_to_the_limit() -> None:
    growth = PoolGrowth(base=2, limit=64)
    widths = []
    while growth.look(begun=growth.width, elapsed=WATCH_INTERVAL_S):
        widths.append(growth.width)
    assert widths == [4, 8, 16, 32, 64]


def test_quick_tasks_never_widen() -> None:
    growth = PoolGrowth(base=2, limit=64)
    assert not any(growth.look(begun=8, elapsed=WATCH_INTERVAL_S) for _ in range(1_000))


def test_a_busy_interpreter_gets_one_thread_more_only_when_nothing_begins() -> None:
    growth = PoolGrowth(base=2, limit=64)
    assert not any(growth.look(begun=1, elapsed=0.01) for _ in range(1_000))
    looks = [growth.look(begun=0, elapsed=0.01) for _ in range(11)]
    assert looks.count(True) == 1
    assert growth.width == 3


def test_quick_bursts_halve_the_width_down_to_the_base() -> None:
    growth = PoolGrowth(base=2, limit=64)
    while growth.look(begun=0, elapsed=WATCH_INTERVAL_S):
        pass
    for _ in range(10):
        growth.quick()
    assert growth.width == 2


@given(
    st.integers(1, 8),
    st.integers(1, 64),
    st.lists(st.one_of(st.integers(-3, 100), st.tuples(st.integers(0, 999), st.floats(0.005, 1)))),
)
def test_the_width_stays_between_base_and_limit(
    base: int, more: int, steps: list[int | tuple[int, float]]
) -> None:
    growth = PoolGrowth(base, base + more)
    for step in steps:
        if isinstance(step, tuple):
            growth.look(*step)
        elif step < 0:
            growth.quick()
        else:
            growth.shrink(step)
        assert base <= growth.width <= base + more


def test_the_watcher_looks_only_while_something_waits() -> None:
    looks: list[float] = []
    enough, asleep = threading.Event(), threading.Event()

    def waiting() -> bool:
        if len(looks) < 3:
            return True
        asleep.set()
        return False

    def look(elapsed: float) -> None:
        looks.append(elapsed)
        if len(looks) == 3:
            enough.set()

    watcher = GrowthWatcher("watcher", waiting, look, SystemClock())
    watcher.alert()
    assert enough.wait(50)
    assert asleep.wait(50)
    watcher.close()
    assert len(looks) == 3
    assert all(elapsed >= WATCH_INTERVAL_S for elapsed in looks)
    watcher.alert()  # too late, and harmless


def test_the_watcher_sees_what_came_between_its_last_look_and_its_sleep() -> None:
    answers = iter([False])
    looked = threading.Event()
    watcher = GrowthWatcher(
        "watcher", lambda: next(answers, True), lambda _: looked.set(), SystemClock()
    )
    watcher.alert()
    assert looked.wait(50)
    watcher.close()
