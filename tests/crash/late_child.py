"""A process of the tests of late replies: ``URL LEASE`` owns a desk until its stdin ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any, ClassVar

from indelible import ActorSystem, Decider, Decision, Event, Later, RefusedError, Reply


class Asked(Event, frozen=True, gc=False):
    wire_name: ClassVar[str] = "desk.asked"

    number: int


class Answered(Event, frozen=True, gc=False):
    wire_name: ClassVar[str] = "desk.answered"

    number: int


class Desk(Decider[dict[int, bool]]):
    """A number is a question, and ``[number]`` answers it, with what it is in all questions."""

    category: ClassVar[str] = "desk"
    event_types: ClassVar[Sequence[type[Event]]] = (Asked, Answered)

    def initial_state(self) -> dict[int, bool]:
        return {}

    def decide(self, state: dict[int, bool], message: Any) -> Decision:
        if isinstance(message, int):
            return Decision([Asked(message)], Later(str(message)))
        [number] = message
        if number not in state:
            raise RefusedError("not asked yet")
        return Decision([Answered(number)], "ok", [Reply(str(number), [number, len(state)])])

    def evolve(self, state: dict[int, bool], event: Any) -> dict[int, bool]:
        return {**state, event.number: isinstance(event, Answered)}


def main(url: str, lease: float) -> None:
    """Own the store."""
    with ActorSystem(url, actors=[Desk()], drain=1, lease=lease):
        os.write(1, b"ready\n")
        sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
