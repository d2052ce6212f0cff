"""A process of the context tests: owns the store at URL, and is killed at a failpoint if told so.

It says ``ready``, and goes on until its stdin ends.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, ClassVar

from indelible import ActorSystem, Decider
from indelible.events.event import Event
from indelible.failpoints import Failpoints, KillAt


class Noted(Event, frozen=True, gc=False):
    """One message that was handled."""

    wire_name: ClassVar[str] = "note.noted"


class Note(Decider[int]):
    """Notes every message."""

    category: ClassVar[str] = "note"
    event_types: ClassVar[Sequence[type[Event]]] = (Noted,)

    def initial_state(self) -> int:
        return 0

    def decide(self, state: int, message: Any) -> list[Event]:
        return [Noted()]

    def evolve(self, state: int, event: Any) -> int:
        return state + 1


def main(url: str, failpoint: str, count: int) -> None:
    """Execute what others start, until stdin ends."""
    armed = {failpoint: KillAt(count)} if failpoint else {}
    system = ActorSystem(url, actors=[Note()], failpoints=Failpoints(armed), drain=1, lease=1)

    def act(context: Any, step: Any) -> None:
        system.actor(Note, context.idempotency_key).ask("hello")

    system.register_step("act", act)
    with system:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
