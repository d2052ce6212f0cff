"""A process to be killed: an actor that counts, and keeps a snapshot every five events.

What the parent reads on standard output is acknowledged: the sum after each reply.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any, ClassVar

from indelible import ActorSystem, Decider, Decision, Event
from indelible.actors.durable.recovery import snapshot_writer
from indelible.failpoints import Failpoints, KillAt


class Added(Event, frozen=True, gc=False):
    wire_name: ClassVar[str] = "sum.added"

    number: int


class Sum(Decider[dict[str, int]]):
    """The sum of all numbers, and how many there were."""

    category: ClassVar[str] = "sum"
    event_types: ClassVar[Sequence[type[Event]]] = (Added,)
    snapshot_every: ClassVar[int] = 5

    def initial_state(self) -> dict[str, int]:
        return {"sum": 0, "count": 0}

    def decide(self, state: dict[str, int], message: int) -> Decision:
        return Decision([Added(message)], state["sum"] + message)

    def evolve(self, state: dict[str, int], event: Any) -> dict[str, int]:
        state["sum"] += event.number
        state["count"] += 1
        return state

    def snapshot(self, state: dict[str, int]) -> Any:
        return state

    def restore(self, value: Any) -> dict[str, int]:
        return value  # type: ignore[no-any-return] # what snapshot() gave


def main(store: str, place: str, count: str) -> None:
    """Add for ever, or until the ``count``-th time that ``place`` is reached."""
    snapshot_writer.PAUSE = 0.0
    failpoints = Failpoints({place: KillAt(int(count))})
    with ActorSystem(f"sqlite:///{store}", actors=[Sum()], failpoints=failpoints) as system:
        actor = system.actor("sum", "a")
        number = 0
        while True:
            number += 1
            os.write(1, f"{actor.ask(number)}\n".encode())


if __name__ == "__main__":
    main(*sys.argv[1:])
