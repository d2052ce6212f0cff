"""A manual clock and real threads: timers fire when it is advanced, and only then."""

from __future__ import annotations

import threading
from typing import Any

from indelible import ActorSystem, RunHandle
from indelible.clock import ManualClock


def test_a_retry_begins_when_the_clock_is_advanced_to_it() -> None:
    clock = ManualClock()
    tried = threading.Semaphore(0)

    def flaky(context: Any, step: Any) -> int:
        tried.release()
        if context.attempt < 3:
            raise ConnectionError("not yet")
        return int(context.attempt)

    retry = {"attempts": 3, "delay": 60, "jitter": 0}
    definition = {"name": "w", "steps": [{"name": "s", "type": "flaky", "retry": retry}]}
    with ActorSystem("memory://", clock=clock) as system:
        system.register_step("flaky", flaky)
        run = system.workflow_agent("a").start(definition)
        for attempt in (1, 2):
            assert tried.acquire(timeout=50)
            wait_for_failure(run, attempt)
            clock.advance(59)
            assert run.status()["steps"][0]["state"] == "retrying"
            clock.advance(1)
        assert run.result(50)["result"] == {"s": 3}


def test_a_system_that_is_closed_hears_the_clock_no_more() -> None:
    clock = ManualClock()
    with ActorSystem("memory://", clock=clock):
        assert len(clock._listeners) == 1
    assert not clock._listeners
    clock.advance(1)


def wait_for_failure(run: RunHandle, attempt: int) -> None:
    """Ask until the failure of ``attempt`` is recorded: each ask waits for its commit."""
    while (step := run.status()["steps"][0])["state"] != "retrying" or step["attempts"] != attempt:
        pass
