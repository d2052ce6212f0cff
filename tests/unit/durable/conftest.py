"""A bank of event-sourced accounts over a store in memory whose commits a test can hold or fail."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, NamedTuple

import pytest

from indelible import ActorSystem, Decider, Decision, Tell
from indelible.actors.runtime.future import PooledFuture
from indelible.api.actor_handle import ActorHandle
from indelible.api.facade import access_to
from indelible.assembly.system_parts import SystemParts
from indelible.errors import RefusedError
from indelible.events.memory.store import MemoryEventStore
from indelible.events.model.event import Event
from indelible.failpoints import Failpoints
from indelible.testing.faults import Fault
from indelible.testing.hold import Hold


class Deposited(Event, frozen=True, gc=False):
    wire_name: ClassVar[str] = "account.deposited"

    amount: int


class Forward(NamedTuple):
    """An effect of the test's own: a message to another account, from memory."""

    category: str
    id: str
    message: Any


SENDS: dict[str, Callable[..., Decision]] = {
    "transfer": lambda other, amount: Decision(
        [Deposited(-amount)], None, [Tell("account", other, ["deposit", amount])]
    ),
    "post": lambda other, amount: Decision(
        [Deposited(-amount)], None, [Forward("account", other, ("deposit", amount))]
    ),
    "forward": lambda *what: Decision(effects=[Forward("account", *what)]),
    "tell": lambda *what: Decision(effects=[Tell("account", *what)]),  # which nothing tells of
}


class Account(Decider[dict[str, int]]):
    """Messages are lists; ``decide`` and ``evolve`` can be made to wait or to fail."""

    category: ClassVar[str] = "account"
    event_types: ClassVar[Sequence[type[Event]]] = (Deposited,)

    def __init__(self) -> None:
        self.hold = Hold()
        self.rests = True

    def initial_state(self) -> dict[str, int]:
        return {"balance": 0, "deposits": 0}

    def decide(self, state: dict[str, int], message: Any) -> Decision | list[Event]:
        word, *rest = message
        if word == "deposit":
            return Decision([Deposited(amount) for amount in rest], state["balance"] + sum(rest))
        if word == "withdraw":
            if state["balance"] < rest[0]:
                raise RefusedError("not enough", balance=state["balance"])
            return [Deposited(-rest[0])]
        if word in SENDS:
            return SENDS[word](*rest)
        if word == "balance":
            return Decision(reply=state["balance"])
        if word.startswith("held "):
            self.hold()
            return self.decide(state, (word.removeprefix("held "), *rest))
        if word == "fail":
            raise ValueError(*rest)
        if word == "raise":
            raise rest[0]
        if word == "spoil":  # events that evolve() chokes on, after one that it takes
            return [Deposited(1), Deposited(0)]
        return message  # type: ignore[no-any-return] # not a decision at all

    def evolve(self, state: dict[str, int], event: Any) -> dict[str, int]:
        if event.amount == 0:
            raise ValueError("nothing was deposited")
        state["balance"] += event.amount
        state["deposits"] += 1
        return state

    def unfinished(self, state: dict[str, int]) -> tuple[str, int]:
        return ("rich" if state["balance"] >= 100 else "poor"), 0

    def at_rest(self, state: dict[str, int]) -> bool:
        return self.rests


class Bank:
    """One store, its faults, and the system that is open on it."""

    def __init__(self) -> None:
        self.commit = Hold()  # stops the leader when everything but COMMIT is done
        self.fault = Fault()  # fails a commit before it begins
        self.lost = Fault()  # fails a commit that has happened
        places: dict[str, Callable[[], None]] = {
            "commit.before": self.commit,
            "commit.begun": self.fault,
            "commit.after": self.lost,
        }
        self.store = MemoryEventStore(failpoints=Failpoints(places))
        self.decider = Account()
        self.system = ActorSystem(self.store, actors=[self.decider], drain=2.0)

    @property
    def parts(self) -> SystemParts:
        return access_to(self.system).parts

    def account(self, name: str) -> ActorHandle:
        return self.system.actor("account", name)

    def ask(self, name: str, *message: Any) -> PooledFuture[Any]:
        """Ask without waiting."""
        return self.parts.directory.ask(f"account-{name}", message)

    def look(self, name: str) -> Any:
        """Balance, as asked."""
        return self.account(name).ask(["balance"], timeout=10)

    def open(self) -> None:
        """Open the system, which forwards, too."""
        self.system.open()
        parts = self.parts

        def forward(_actor: Any, caused: Any) -> None:
            effect = caused.effect
            stream = f"{effect.category}-{effect.id}"
            parts.directory.tell(stream, effect.message, caused.context)

        parts.host.effects.register(Forward, lambda _: None, forward)

    def reopen(self) -> None:
        self.system.close()
        self.open()


@pytest.fixture
def bank() -> Iterator[Bank]:
    bank = Bank()
    bank.open()
    with bank.system:
        yield bank
        bank.commit.open()
        bank.decider.hold.open()


@pytest.fixture
def together() -> Callable[[Sequence[Callable[[], object]]], list[Any]]:
    """Calls functions on threads of their own, at once; their results or errors, in order."""

    def run(functions: Sequence[Callable[[], object]]) -> list[Any]:
        start = threading.Barrier(len(functions))
        results: list[Any] = [None] * len(functions)

        def call(index: int) -> None:
            start.wait(10)
            try:
                results[index] = functions[index]()
            except Exception as error:  # noqa: BLE001 - the test looks at it
                results[index] = error

        threads = [threading.Thread(target=call, args=(i,)) for i in range(len(functions))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
            assert not thread.is_alive()
        return results

    return run
