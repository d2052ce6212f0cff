"""Whatever fails and is cut off: each call ends once, and none that has come back is made again."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from indelible import ActorSystem, RetryPolicy
from indelible.actors.effects.calls.call_decisions import MAX_CUT_OFFS
from indelible.api.facade import access_to
from indelible.clock import ManualClock
from indelible.events.memory.store import MemoryEventStore
from indelible.ids import SeededIds
from indelible.testing.simulation import SimulatedRuntime
from orders import Order

ATTEMPTS = 3


class Orders(RuleBasedStateMachine):
    """The model: what the function was called with, and what it said each time."""

    @initialize(seed=st.integers(0, 2**16), policy=st.sampled_from(["retry", "fail"]))
    def begin(self, seed: int, policy: Any) -> None:
        self.clock, self.seed, self.policy = ManualClock(), seed, policy
        self.ids = SeededIds(seed, self.clock)
        self.store = MemoryEventStore(clock=self.clock)
        self.called: dict[str, list[tuple[int, str]]] = {}  # attempt and outcome, by order
        self.ends: dict[str, dict[str, Any]] = {}
        self.failures: dict[str, int] = {}
        self.open()

    def open(self) -> None:
        self.runtime = SimulatedRuntime(self.seed, self.clock)
        retry = RetryPolicy(attempts=ATTEMPTS, delay=2.0)
        self.system = ActorSystem(
            self.store,
            actors=[Order(retry, on_unknown_outcome=self.policy)],
            calls={"charge": self.charge},
            clock=self.clock,
            ids=self.ids,
            runtime=lambda: self.runtime,
        )
        self.system.open()

    def charge(self, context: Any, failures: int) -> str:
        """Fail ``failures`` times in all; each call says which it is."""
        name = context.idempotency_key
        before = self.called.setdefault(name, [])
        failed = sum(outcome == "failed" for _, outcome in before) < failures
        before.append((context.attempt, "failed" if failed else "paid"))
        if failed:
            raise ValueError("no money")
        return "paid"

    @rule(failures=st.integers(0, ATTEMPTS))
    def place(self, failures: int) -> None:
        name = str(len(self.failures))
        self.failures[name] = failures
        self.system.actor(Order, name).ask(failures)

    @rule(seconds=st.floats(0.1, 5))
    def let_time_pass(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(tasks=st.integers(0, 8))
    def crash(self, tasks: int) -> None:
        self.runtime.run(tasks)
        self.runtime.crash()
        self.store.close()
        self.open()

    @rule(tasks=st.integers(0, 8))
    def close(self, tasks: int) -> None:
        self.runtime.run(tasks)
        self.system.close()
        self.open()

    @rule(tasks=st.integers(0, 8))
    def run(self, tasks: int) -> None:
        self.runtime.run(tasks)

    @invariant()
    def what_has_come_back_stays_so(self) -> None:
        if not hasattr(self, "system"):
            return
        for name in self.failures:
            state = self.system.actor(Order, name).state()
            calls = self.called.get(f"order-{name}/1/0", [])
            assert [attempt for attempt, _ in calls] == sorted({attempt for attempt, _ in calls})
            if state["is"] in ("charged", "unpaid"):
                made = self.ends.setdefault(name, {"state": state, "calls": list(calls)})
                assert made == {"state": state, "calls": calls}

    def teardown(self) -> None:
        if not hasattr(self, "system"):
            return
        for _ in range(ATTEMPTS * 3):
            self.runtime.run(10_000)
            self.clock.advance(60)
        self.runtime.run(10_000)
        self.what_has_come_back_stays_so()
        types = access_to(self.system).parts.types
        for name, failures in self.failures.items():
            order = self.system.actor(Order, name)
            last = types.decode(order.events()[-1])
            calls = self.called.get(f"order-{name}/1/0", [])
            unknown = getattr(last, "unknown", False)
            if order.state()["is"] == "charged":
                assert calls[-1][1] == "paid"
            elif unknown:
                assert self.policy == "fail" or len(calls) <= MAX_CUT_OFFS
            else:
                assert failures == ATTEMPTS
                assert [outcome for _, outcome in calls].count("failed") >= ATTEMPTS
            assert order.state()["is"] in ("charged", "unpaid")
            head = self.store.head(f"order-{name}")
            assert head is not None
            assert head.wake_at == 0
        self.system.verify()
        self.system.close()


TestOrders = Orders.TestCase
TestOrders.settings = settings(max_examples=150, stateful_step_count=20, deadline=None)
