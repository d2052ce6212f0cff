"""Actors that other processes may speak to, and steps that they may have run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec

from indelible import Decider, Decision, step
from indelible.errors import RefusedError
from indelible.events.model.event import Event


class Counted(Event, frozen=True, gc=False):
    wire_name: ClassVar[str] = "counter.counted"

    by: int


class Add(msgspec.Struct, frozen=True):
    by: int


class Total(msgspec.Struct, frozen=True):
    value: int


class Secret(msgspec.Struct, frozen=True):
    value: int


class Counter(Decider[int]):
    """Messages are numbers, words, or the types that it lists."""

    category: ClassVar[str] = "counter"
    event_types: ClassVar[Sequence[type[Event]]] = (Counted,)
    message_types: ClassVar[Sequence[type[msgspec.Struct]]] = (Add, Total)

    def initial_state(self) -> int:
        return 0

    def decide(self, state: int, message: Any) -> Decision:
        if isinstance(message, Add):
            return Decision([Counted(message.by)], Total(state + message.by))
        if message == "total":
            return Decision(reply=state)
        if message == "typed total":
            return Decision(reply=Total(state))
        if message == "refuse":
            raise RefusedError("not today", total=state)
        if message == "fail":
            raise ZeroDivisionError("by nothing")
        if message == "unstorable":
            return Decision([Counted(1)], {1, 2})
        if message == "refuse with an event":
            return Decision([Counted(1)], RefusedError("noted, but no"))
        return Decision([Counted(int(message))], state + int(message))

    def evolve(self, state: int, event: Any) -> int:
        return state + int(event.by)


@step("note")
def note(context: Any, text: str = "done") -> dict[str, str]:
    return {"text": text}


@step("refuse")
def refuse(context: Any) -> None:
    raise ValueError("never")


TWO = {
    "name": "two",
    "steps": [
        {"name": "first", "type": "note"},
        {"name": "last", "type": "note", "params": {"text": {"ref": "input.text"}}},
    ],
}
