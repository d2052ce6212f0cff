"""The cost of effects: CPU time of an order with a Call or a Tell, minus an order without."""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from harness import print_machine

from indelible import ActorSystem, Call, CallReturned, Decider, Decision, Event, Tell
from indelible.api.facade import access_to

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from postgres_server import a_server

UNDER_WAY = 500
"""Orders that are sent before the first of them is answered."""


class Placed(Event, frozen=True, gc=False):
    """An order was placed, and may wait for a call."""

    wire_name: ClassVar[str] = "order.placed"

    calls: bool


class Charged(Event, frozen=True, gc=False):
    """The call of the order has ended."""

    wire_name: ClassVar[str] = "order.charged"


class Order(Decider[bool]):
    """An order of kind ``alone``, ``twice`` (one more message and event), ``call`` or ``tell``."""

    category: ClassVar[str] = "order"
    event_types: ClassVar[Sequence[type[Event]]] = (Placed, Charged)

    def __init__(self, function: str) -> None:
        """Call ``function``."""
        self.calls = [Call("charge", function, 5)]

    def initial_state(self) -> bool:
        """Begin without a pending call."""
        return False

    def decide(self, state: bool, message: Any) -> Decision:  # noqa: ARG002 - as it is called
        """Handle the message by its kind."""
        if message == "call":
            return Decision([Placed(calls=True)], None, self.calls)
        if message == "tell":
            return Decision([Placed(calls=False)], None, [Tell("stock", "lamp", 5)])
        if type(message) is CallReturned or message == "charged":
            return Decision([Charged()])
        return Decision([Placed(calls=False)])

    def evolve(self, state: bool, event: Any) -> bool:  # noqa: ARG002 - as above
        """Whether the order waits for a call now."""
        return type(event) is Placed and event.calls

    def pending(self, state: bool) -> Sequence[Call]:
        """Return the call while the order waits for it."""
        return self.calls if state else ()


class Stock(Decider[int]):
    """Records its messages."""

    category: ClassVar[str] = "stock"
    event_types: ClassVar[Sequence[type[Event]]] = (Charged,)

    def initial_state(self) -> int:
        """No message yet."""
        return 0

    def decide(self, state: int, message: Any) -> list[Event]:  # noqa: ARG002 - as above
        """Record the message."""
        return [Charged()]

    def evolve(self, state: int, event: Any) -> int:  # noqa: ARG002 - as above
        """Count the message."""
        return state + 1


def nothing(argument: int) -> int:
    """Return at once."""
    return argument


async def nothing_async(argument: int) -> int:
    """Return at once."""
    return argument


def cpu_of(url: str, kind: str, function: str, orders: int) -> float:
    """Microseconds of this process's CPU time for an order."""
    calls = {"nothing": nothing, "nothing_async": nothing_async}
    with ActorSystem(url, actors=[Order(function), Stock()], calls=calls) as system:
        ask, store = access_to(system).directory.ask, system.store
        before, events = sum(store.positions().values()), orders * (1 if kind == "alone" else 2)
        begun = time.process_time()
        for first in range(0, orders, UNDER_WAY):
            names = [f"order-{kind}-{begun}-{n}" for n in range(first, first + UNDER_WAY)]
            messages = ("alone", "charged") if kind == "twice" else (kind,)
            for message in messages:
                for future in [ask(name, message) for name in names]:
                    future.get(timeout=60)
        while sum(store.positions().values()) < before + events:
            time.sleep(0.005)
        return (time.process_time() - begun) / orders * 1e6


def measure(where: str, url: str, orders: int, repeat: int) -> None:
    """Print medians of all kinds, measured in turn."""
    kinds = {
        "alone": ("alone", "nothing"),
        "two messages": ("twice", "nothing"),
        "a call": ("call", "nothing"),
        "an async call": ("call", "nothing_async"),
        "a tell": ("tell", "nothing"),
    }
    found: dict[str, list[float]] = {name: [] for name in kinds}
    for _ in range(repeat):
        for name, (kind, function) in kinds.items():
            found[name].append(cpu_of(url, kind, function, orders))
    median = {name: statistics.median(all_of_it) for name, all_of_it in found.items()}
    for name, cpu in median.items():
        spread = f"{min(found[name]):.0f} to {max(found[name]):.0f}"
        print(
            f"{where}: an order with {name}: {cpu:.0f} µs CPU ({spread}); "
            f"{cpu - median['alone']:+.0f} to one alone, "
            f"{cpu - median['two messages']:+.0f} to one with two messages"
        )


def main(orders: int, repeat: int) -> None:
    """Measure on SQLite and on PostgreSQL."""
    print_machine(f"effects: {orders:,} orders, median of {repeat}")
    with tempfile.TemporaryDirectory() as folder:
        measure("SQLite", f"sqlite:///{Path(folder)}/orders.db", orders, repeat)
    with a_server() as server:
        measure("PostgreSQL", server.create_database(), orders, repeat)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=5_000)
    parser.add_argument("--repeat", type=int, default=5)
    arguments = parser.parse_args()
    main(arguments.orders, arguments.repeat)
