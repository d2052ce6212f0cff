"""An actor that answers later, for all who ask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from indelible import Decider, Decision, Event, Later, Reply


class Asked(Event):
    wire_name: ClassVar[str] = "desk.asked"

    what: str


class Answered(Event):
    wire_name: ClassVar[str] = "desk.answered"

    what: str


class Desk(Decider[list[str]]):
    """A question waits for its answer, ``{question: answer}``; others are not written down."""

    category: ClassVar[str] = "desk"
    event_types: ClassVar[Sequence[type[Event]]] = (Asked, Answered)

    def initial_state(self) -> list[str]:
        return []

    def decide(self, state: list[str], message: Any) -> Decision:
        match message:
            case "state":
                return Decision(reply=len(state))
            case "fail":
                raise ZeroDivisionError("by nothing")
            case "bad key":
                return Decision([Asked("")], Later(""))
            case "bad reply":
                return Decision([Asked("")], None, [Reply("k" * 201)])
            case ["silently", what]:
                return Decision([], Later(what))
            case dict():
                events = [Answered(what) for what in message if what[0] != "_"]
                return Decision(events, "ok", [Reply(*one) for one in message.items()])
        return Decision([Asked(message)], Later(message))

    def evolve(self, state: list[str], event: Any) -> list[str]:
        return [*state, event.what]
