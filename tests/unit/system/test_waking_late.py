"""A process that was stopped past the end of its lease: it begins nothing more (invariant 3)."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from indelible import ActorSystem, step
from indelible.api.facade import access_to
from indelible.clock import ManualClock
from indelible.testing.hold import Hold
from unit.system.members import Member, ids_of, shared_log

LEASE = 10_000_000_000
RUNS = 5
ONE = {"name": "w", "steps": [{"name": "only", "type": "only"}]}


class Late:
    """Two processes on one log: the first has more runs than threads, and its clock is a test's."""

    def __init__(self, then: ExitStack, threads: int) -> None:
        self.clock = ManualClock()
        self.hold = Hold()
        self.hold.close()
        self.ran: list[str] = []
        self.began = threading.Semaphore(0)
        log = shared_log()
        self.first = Member(log, "first", (0, 1, 2, 3), self.clock)
        self.second = Member(log, "second")
        self.one = then.enter_context(self._system(self.first, "first", threads))
        self.two = then.enter_context(self._system(self.second, "second", threads))
        self.first.lease_until(self.clock.monotonic() + LEASE, 1)
        self.ids = ids_of(self.first, 1, RUNS)
        self.one.workflow_agent("a").start_many([(one, {}) for one in self.ids], ONE)
        for _ in range(threads):
            assert self.began.acquire(timeout=20)

    def _system(self, store: Member, name: str, threads: int) -> ActorSystem:
        @step("only")
        def only(context: Any, step: Any) -> str:
            self.ran.append(name)
            if name == "first":
                self.began.release()
                self.hold()
            return name

        return ActorSystem(store, steps=[only], drain=5, max_threads=threads)

    def wake(self) -> None:
        """Let the first process go on, its lease being over; return when its threads are idle."""
        self.clock.advance(LEASE / 1e9 + 1)
        idle = threading.Event()
        access_to(self.one).parts.runtime.pool.submit(idle.set)  # behind all that waits
        self.hold.open()
        assert idle.wait(20)

    def finish_elsewhere(self) -> list[Any]:
        self.first.learn_of_loss(1)
        self.second.gain(1)
        return [self.two.run(one).result(20)["result"] for one in self.ids]


@pytest.fixture
def late() -> Iterator[Late]:
    with ExitStack() as then:
        yield Late(then, 1)


def test_no_step_begins_once_the_lease_is_over(late: Late) -> None:
    late.wake()
    assert late.ran == ["first"]
    assert late.finish_elsewhere() == [{"only": "second"}] * RUNS
    assert late.ran == ["first"] + ["second"] * RUNS


def test_steps_of_other_shards_go_on(late: Late) -> None:
    [other] = ids_of(late.first, 2, 1)
    run = late.one.workflow_agent("a").start(ONE, run_id=other)
    late.wake()
    assert run.result(20)["result"] == {"only": "first"}
    assert late.ran == ["first", "first"]


def test_what_returns_late_is_one_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with ExitStack() as then:
        late = Late(then, RUNS)
        caplog.set_level(logging.INFO, "indelible")
        caplog.clear()
        late.clock.advance(LEASE / 1e9 + 1)
        late.first.learn_of_loss(1)
        idle = threading.Barrier(RUNS + 1)
        for _ in range(RUNS):
            access_to(late.one).parts.runtime.pool.submit(lambda: idle.wait(20))
        late.hold.open()
        idle.wait(20)
        assert access_to(late.one).executor.late_results == RUNS
        assert not access_to(late.one).parts.host.dead_letters
        [line] = [record for record in caplog.records if record.levelno >= logging.WARNING]
        assert line.getMessage().startswith(
            f"{RUNS} steps still run although their shards [1] have left"
        )
        assert late.finish_elsewhere() == [{"only": "second"}] * RUNS
