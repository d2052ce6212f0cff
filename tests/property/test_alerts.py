"""Whatever crashes, and however often a handler fails: each alert of a stored event is taken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from hypothesis import given, settings
from hypothesis import strategies as st

from deciders import Note, Noted
from indelible import ActorSystem, Alert, Alerted, Decision
from indelible.clock import ManualClock
from indelible.events.memory.store import MemoryEventStore
from indelible.ids import SeededIds
from indelible.testing.simulation import SimulatedRuntime
from simulated_runs import SCALE


class Alarm(Note):
    """Alerts as often as it is told to."""

    category: ClassVar[str] = "alarm"

    def decide(self, state: int, message: int) -> Decision:
        return Decision([Noted()], None, [Alert("error", str(state))] * message)


class World:
    """A store that outlives crashes, and a handler that fails when it is told to."""

    def __init__(self, seed: int) -> None:
        self.clock = ManualClock()
        self.ids = SeededIds(seed, self.clock)
        self.store = MemoryEventStore(clock=self.clock)
        self.seed = seed
        self.fails = 0
        self.taken: list[str] = []
        self.open()

    def take(self, alerted: Alerted) -> None:
        if self.fails:
            self.fails -= 1
            raise ConnectionError("the pager is off")
        self.taken.append(alerted.id)

    def open(self) -> None:
        self.seed += 1
        self.runtime = SimulatedRuntime(self.seed, self.clock)
        self.system = ActorSystem(
            self.store,
            actors=[Alarm()],
            alerts=[self.take],
            clock=self.clock,
            ids=self.ids,
            runtime=lambda: self.runtime,
        )
        self.system.open()

    def crash(self) -> None:
        self.runtime.crash()
        self.store.close()
        self.open()

    def alerts(self, sent: Sequence[int]) -> set[str]:
        """Those of the events that are there, one of each message of ``sent``, in order."""
        head = self.store.head("alarm-a")
        versions = range(1, (0 if head is None else head.version) + 1)
        return {f"alarm-a/{at}/{place}" for at in versions for place in range(sent[at - 1])}


HAPPENS = st.lists(
    st.one_of(
        st.tuples(st.just("alert"), st.integers(0, 3)),
        st.tuples(st.just("run"), st.integers(0, 12)),
        st.tuples(st.just("fail"), st.integers(1, 4)),
        st.tuples(st.just("crash"), st.just(0)),
    ),
    max_size=15,
)


@settings(max_examples=150 * SCALE, deadline=None)
@given(HAPPENS, st.integers(0, 1_000))
def test_each_alert_is_taken(happens: list[tuple[str, int]], seed: int) -> None:
    world, sent = World(seed), list[int]()
    for what, number in happens:
        if what == "crash":
            world.crash()
        elif what == "run":
            world.runtime.run(number)
        elif what == "fail":
            world.fails = number
        else:
            sent.append(number)
            world.system.actor("alarm", "a").ask(number)
    for _ in range(12):
        world.runtime.run(100_000)
        world.clock.advance(60)
    assert set(world.taken) == world.alerts(sent)
    assert world.store.inbox.waiting(frozenset({0}), 1) == []
    crashes = sum(what == "crash" for what, _ in happens)
    assert max(map(world.taken.count, world.taken), default=1) <= 1 + crashes
    world.system.close()


def test_what_is_taken_is_not_told_again() -> None:
    world: Any = World(1)
    world.system.actor("alarm", "a").ask(2)
    world.runtime.run(100_000)
    world.crash()
    world.runtime.run(100_000)
    assert sorted(world.taken) == ["alarm-a/1/0", "alarm-a/1/1"]
    world.system.close()
