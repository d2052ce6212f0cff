"""Whatever crashes: each run that an actor starts is there once, and its end is told once."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from indelible import ActorSystem, step
from indelible.api.facade import access_to
from indelible.clock import ManualClock
from indelible.events.memory.store import MemoryEventStore
from indelible.ids import SeededIds
from indelible.testing.simulation import SimulatedRuntime
from journeys import BOOK, Heard, Trip
from simulated_runs import SCALE


@step("pay")
def pay(context: Any, to: str) -> str:
    if to == "nowhere":
        raise ValueError("no such place")
    return to.upper()


class Trips(RuleBasedStateMachine):
    """The model: where each trip goes, by its name."""

    @initialize(seed=st.integers(0, 2**16))
    def begin(self, seed: int) -> None:
        self.clock, self.seed = ManualClock(), seed
        self.ids = SeededIds(seed, self.clock)
        self.store = MemoryEventStore(clock=self.clock)
        self.goes_to: dict[str, str] = {}
        self.over: dict[str, Any] = {}
        self.open()

    def open(self) -> None:
        self.runtime = SimulatedRuntime(self.seed, self.clock)
        self.system = ActorSystem(
            self.store,
            actors=[Trip()],
            steps=[pay],
            definitions={"book": BOOK},
            effects={Heard: lambda effect: None},
            clock=self.clock,
            ids=self.ids,
            runtime=lambda: self.runtime,
        )
        self.system.open()

    @rule(to=st.sampled_from(["rome", "nowhere"]))
    def plan(self, to: str) -> None:
        name = str(len(self.goes_to))
        self.goes_to[name] = to
        self.system.actor(Trip, name).ask(to)

    @rule(to=st.sampled_from(["oslo", "nowhere"]))
    def say(self, to: str) -> None:
        """Plan it, too, but without waiting for the commit."""
        name = f"t{len(self.goes_to)}"
        self.goes_to[name] = to
        self.system.actor(Trip, name).tell(to)

    @rule(tasks=st.integers(0, 12))
    def crash(self, tasks: int) -> None:
        self.runtime.run(tasks)
        self.runtime.crash()
        self.store.close()
        self.open()

    @rule(tasks=st.integers(0, 12))
    def close(self, tasks: int) -> None:
        self.runtime.run(tasks)
        self.system.close()
        self.open()

    @rule(tasks=st.integers(0, 12))
    def run(self, tasks: int) -> None:
        self.runtime.run(tasks)

    @invariant()
    def what_was_told_stays_so(self) -> None:
        for name in getattr(self, "goes_to", ()):
            types = [event.type for event in self.system.actor(Trip, name).events()]
            assert types in ([], ["trip.planned"], ["trip.planned", "trip.over"])

    def teardown(self) -> None:
        if not hasattr(self, "system"):
            return
        for _ in range(10):  # what is tried again is due later
            self.runtime.run(100_000)
            self.clock.advance(60)
        self.runtime.run(100_000)
        planned = {name for name in self.goes_to if self.system.actor(Trip, name).events()}
        assert planned >= {name for name in self.goes_to if not name.startswith("t")}
        for name in planned:
            trip, to = self.system.actor(Trip, name), self.goes_to[name]
            status = "failed" if to == "nowhere" else "success"
            assert trip.state()["is"] == "over"
            assert trip.state()["how"][0] == status
            head = self.store.head(trip.stream)
            assert head is not None
            assert head.wake_at == 0
            for place, agent in enumerate(("agency", "post")):
                outcome = self.system.run(f"{trip.stream}/1/{place}").result(0)
                assert (outcome["status"], outcome["agent_id"]) == (status, agent)
        ended = self.store.heads("run", ["completed", "failed"])
        assert len(ended) == 2 * len(planned)
        assert self.store.inbox.waiting(frozenset({0}), 1) == []
        assert not access_to(self.system).parts.host.dead_letters
        self.system.verify()
        self.system.close()


TestTrips = Trips.TestCase
TestTrips.settings = settings(max_examples=100 * SCALE, stateful_step_count=15, deadline=None)
