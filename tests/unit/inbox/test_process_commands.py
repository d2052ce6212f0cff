"""Commands for the process itself: a long one holds up no other, and outlives its process."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from indelible import ActorSystem
from indelible.api.facade import access_to
from indelible.errors import SystemClosedError
from indelible.events.memory.store import MemoryEventStore
from indelible.failpoints import Failpoints
from indelible.testing.faults import Fault
from indelible.testing.hold import Hold
from unit.inbox.counters import Counter


class Served:
    """A store, and systems on it one after the other, whose views can be held or fail."""

    def __init__(self) -> None:
        self.store = MemoryEventStore()
        self.views, self.fault = Hold(), Fault()
        self.system = self.make()

    def make(self) -> ActorSystem:
        places = {"view.before": self._view}
        self.system = ActorSystem(self.store, actors=[Counter()], failpoints=Failpoints(places))
        return self.system

    def _view(self) -> None:
        self.views()
        self.fault()

    def ask(self, kind: str, value: Any = None) -> Any:
        return access_to(self.system).parts.inbox_client.command(kind, value, 60.0)

    def caught_up(self) -> bool:
        return access_to(self.system).parts.projections.caught_up(self.store.positions(), 20)


@pytest.fixture
def served() -> Iterator[Served]:
    served = Served()
    with served.system:
        yield served
        served.views.open()
        served.fault.arm(0)


def test_a_rebuild_holds_up_no_other_command(served: Served) -> None:
    served.system.actor("counter", "c").ask(1)
    assert served.caught_up()
    served.views.close()
    rebuilt = served.ask("rebuild", "metrics")
    served.views.wait()
    access_to(served.system).parts.process_commands.offer("double", lambda value: value * 2)
    assert served.ask("double", 21).get(timeout=25) == 42
    assert not rebuilt.done()
    served.views.open()
    assert rebuilt.get(timeout=25) == 1


def test_snapshots_are_dropped_on_demand(served: Served) -> None:
    assert served.ask("drop_snapshots").get(timeout=25) == 0


def test_rebuilds_are_made_one_after_the_other(served: Served) -> None:
    running, most = threading.Semaphore(1), []

    def rebuild(value: Any) -> Any:
        most.append(running.acquire(blocking=False))
        running.release()
        return value

    access_to(served.system).parts.process_commands.offer("rebuild", rebuild, slow=True)
    asked = [served.ask("rebuild", number) for number in range(20)]
    assert [one.get(timeout=25) for one in asked] == list(range(20))
    assert all(most)


def test_closing_does_not_wait_for_a_rebuild_and_the_next_process_makes_it(
    served: Served,
) -> None:
    served.system.actor("counter", "c").ask(1)
    assert served.caught_up()
    served.fault.arm(1_000_000)  # it comes to no end
    waiting = served.ask("rebuild", "metrics")
    while not access_to(served.system).parts.projections._engine.rebuilds:
        pass
    [seq] = served.store.inbox.waiting([0], 10)
    served.system.close()
    with pytest.raises(SystemClosedError):
        waiting.get(timeout=25)
    served.fault.arm(0)
    answers = served.store.inbox.watch()
    with served.make():
        while seq in served.store.inbox.waiting([0], 10):
            answers.wait(20)


def test_what_fails_since_the_process_ends_is_left_for_the_next(served: Served) -> None:
    tries: list[str] = []

    def double(value: Any) -> Any:
        tries.append("here")
        if len(tries) == 1:
            raise SystemClosedError("double()", "a test says so")
        return value * 2

    access_to(served.system).parts.process_commands.offer("double", double)
    assert served.ask("double", 21).get(timeout=25) == 42
    assert len(tries) == 2
