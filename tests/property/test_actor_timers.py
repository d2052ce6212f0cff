"""Whatever is set, replaced, cancelled and cut off: each timer rings once, and none is lost."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from alarms import Alarm
from indelible import ActorSystem
from indelible.api.facade import access_to
from indelible.clock import ManualClock
from indelible.events.memory.store import MemoryEventStore
from indelible.ids import SeededIds
from indelible.testing.simulation import SimulatedRuntime

NAMES, KEYS = st.sampled_from(["a", "b"]), st.sampled_from(["k0", "k1", "k2"])
SECONDS = st.integers(-1, 20) | st.integers(100, 10_000)


class Alarms(RuleBasedStateMachine):
    """The model: what is set, by actor and key, and how often each actor has rung."""

    @initialize(seed=st.integers(0, 2**16), snapshots=st.sampled_from([0, 2]))
    def begin(self, seed: int, snapshots: int) -> None:
        self.clock, self.seed = ManualClock(), seed
        self.ids = SeededIds(seed, self.clock)
        self.store = MemoryEventStore(clock=self.clock)
        self.decider = Alarm()
        self.decider.snapshot_every = snapshots  # type: ignore[misc] # of this one alone
        self.set: dict[tuple[str, str], int] = {}
        self.rang: dict[str, list[str]] = {"a": [], "b": []}
        self.open()

    def open(self) -> None:
        self.runtime = SimulatedRuntime(self.seed, self.clock)
        self.system = ActorSystem(
            self.store,
            actors=[self.decider],
            clock=self.clock,
            ids=self.ids,
            runtime=lambda: self.runtime,
        )
        self.system.open()

    @rule(name=NAMES, key=KEYS, seconds=SECONDS)
    def set_one(self, name: str, key: str, seconds: int) -> None:
        due = self.clock.now() + seconds * 1_000_000
        self.system.actor(Alarm, name).ask(["set", key, due])
        self.set[name, key] = due

    @rule(name=NAMES, key=KEYS)
    def cancel_one(self, name: str, key: str) -> None:
        if (name, key) in self.set and self.set[name, key] > self.clock.now():
            self.system.actor(Alarm, name).ask(["off", key])
            del self.set[name, key]

    @rule(seconds=st.floats(0.1, 15) | st.sampled_from([100.0, 9_000.0]))
    def let_time_pass(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule()
    def leave_memory(self) -> None:
        parts = access_to(self.system).parts
        for actor in parts.directory:
            parts.directory.passivate(actor)

    @rule(tasks=st.integers(0, 6))
    def crash(self, tasks: int) -> None:
        self.runtime.run(tasks)
        self.runtime.crash()
        self.store.close()
        self.open()

    @rule()
    def close(self) -> None:
        self.system.close()
        self.open()

    @invariant()
    def each_has_rung_once_when_it_was_due(self) -> None:
        if not hasattr(self, "system"):
            return
        self.runtime.run(1_000)
        now = self.clock.now()
        for (name, key), due in list(self.set.items()):
            if due <= now:
                del self.set[name, key]
                self.rang[name].append(key)
        for name, rang in self.rang.items():
            state = self.system.actor(Alarm, name).state()
            assert sorted(state["rang"]) == sorted(rang)
            assert state["set"] == {key: due for (who, key), due in self.set.items() if who == name}
            head = self.store.head(f"alarm-{name}")
            if head is not None:
                assert head.wake_at == min(state["set"].values(), default=0)

    def teardown(self) -> None:
        if hasattr(self, "system"):
            self.system.close()


TestAlarms = Alarms.TestCase
TestAlarms.settings = settings(max_examples=150, stateful_step_count=25, deadline=None)
