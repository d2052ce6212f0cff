"""A run goes on where its shard goes: given away, taken over, lost (invariants 3 and 6)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from indelible import ActorSystem, step
from indelible.events.memory.backend import MemoryBackend
from unit.system.members import Member, ids_of, shared_log

STEPS = {"name": "w", "steps": [{"name": name, "type": name} for name in ("one", "two")]}


class Two:
    """Two processes on one log; ``one`` blocks in the first of them until it is let go."""

    def __init__(self, then: ExitStack) -> None:
        self.log: MemoryBackend = shared_log()
        self.ran: list[str] = []
        self.began, self.go_on = threading.Event(), threading.Event()
        self.first = Member(self.log, "first", (0, 1, 2, 3))
        self.second = Member(self.log, "second")
        self.one = then.enter_context(self._system(self.first, "first", blocks=True))
        self.two = then.enter_context(self._system(self.second, "second", blocks=False))
        then.callback(self.go_on.set)

    def _system(self, store: Member, name: str, *, blocks: bool) -> ActorSystem:
        @step("one")
        def one(context: Any, step: Any) -> str:
            self.ran.append(f"{name} one {context.run_id}")
            if blocks:
                self.began.set()
                self.go_on.wait(50)
            return name

        @step("two")
        def two(context: Any, step: Any) -> str:
            self.ran.append(f"{name} two {context.run_id}")
            return name

        return ActorSystem(store, steps=[one, two], drain=5)

    def types(self, run_id: str) -> list[str]:
        return [event.type for event in self.log.streams[f"run-{run_id}"]]


@pytest.fixture
def two() -> Iterator[Two]:
    with ExitStack() as then:
        yield Two(then)


def test_a_run_is_taken_over_with_its_shard_and_what_the_first_still_does_is_refused(
    two: Two,
) -> None:
    (run_id,) = ids_of(two.first, 1, 1)
    two.one.workflow_agent("a").start(STEPS, run_id=run_id)
    assert two.began.wait(20)
    two.second.gain(1)  # the lease of the first has ended: it sleeps, and knows nothing
    outcome = two.two.run(run_id).result(20)
    assert outcome["result"] == {"one": "second", "two": "second"}
    two.go_on.set()
    two.first.learn_of_loss(1)
    assert two.types(run_id).count("run.step_completed") == 2
    assert two.types(run_id)[-1] == "run.completed"


def test_a_shard_that_is_handed_over_brings_its_running_step_home_first(two: Two) -> None:
    (run_id,) = ids_of(two.first, 2, 1)
    two.one.workflow_agent("a").start(STEPS, run_id=run_id)
    assert two.began.wait(20)
    timer = threading.Timer(0.05, two.go_on.set)
    timer.start()
    two.first.hand_over(two.second, 2)
    timer.join()
    outcome = two.two.run(run_id).result(20)
    assert outcome["result"] == {"one": "first", "two": "second"}
    assert two.ran == [f"first one {run_id}", f"second two {run_id}"]
    assert "run.steps_started" in two.types(run_id)  # two began nowhere before


def test_runs_of_other_shards_do_not_notice_that_one_leaves(two: Two) -> None:
    (stays,) = ids_of(two.first, 0, 1)
    run = two.one.workflow_agent("a").start(STEPS, run_id=stays)
    assert two.began.wait(20)
    two.first.hand_over(two.second, 3)
    two.go_on.set()
    assert run.result(20)["result"] == {"one": "first", "two": "first"}


def test_a_message_for_a_shard_that_was_given_away_goes_to_its_owner(two: Two) -> None:
    two.go_on.set()
    two.first.hand_over(two.second, 1)
    (run_id,) = ids_of(two.first, 1, 1)
    run = two.one.workflow_agent("a").start(STEPS, run_id=run_id)
    assert run.result(20)["result"] == {"one": "second", "two": "second"}


def test_a_shard_that_comes_back_is_read_again_from_the_log(two: Two) -> None:
    two.go_on.set()
    first, later = ids_of(two.first, 1, 2)
    two.one.workflow_agent("a").start(STEPS, run_id=first).result(20)
    two.first.hand_over(two.second, 1)
    two.two.workflow_agent("a").start(STEPS, run_id=later).result(20)
    two.second.hand_over(two.first, 1)
    again = two.one.workflow_agent("a").start(STEPS, run_id=later)  # the same run, known
    assert again.result(20)["result"] == {"one": "second", "two": "second"}
    assert two.ran.count(f"first one {later}") == 0


def test_who_waits_for_a_run_that_leaves_still_gets_its_result(two: Two) -> None:
    (run_id,) = ids_of(two.first, 2, 1)
    run = two.one.workflow_agent("a").start(STEPS, run_id=run_id)
    results: list[Any] = []
    waiter = threading.Thread(target=lambda: results.append(run.result(20)))
    waiter.start()
    assert two.began.wait(20)
    two.second.gain(2)
    two.first.learn_of_loss(2)
    waiter.join(20)
    assert results[0]["result"] == {"one": "second", "two": "second"}
