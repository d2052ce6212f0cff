"""An actor that sets timers, for tests: alarms that ring."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from indelible import CancelTimer, Decider, Decision, Event, TimerAt


class Set(Event):
    wire_name: ClassVar[str] = "alarm.set"

    key: str
    due: int


class Off(Event):
    wire_name: ClassVar[str] = "alarm.off"

    key: str
    rang: bool


class Alarm(Decider[dict[str, Any]]):
    """``("set", KEY, DUE)``, ``("off", KEY)``; it counts what has rung."""

    category: ClassVar[str] = "alarm"
    event_types: ClassVar[Sequence[type[Event]]] = (Set, Off)
    snapshot_every: ClassVar[int] = 0

    def initial_state(self) -> dict[str, Any]:
        return {"set": {}, "rang": []}

    def decide(self, state: dict[str, Any], message: Any, context: Any) -> Decision:
        word, key, *rest = message
        if word == "ring":
            assert context.now >= state["set"][key]
            return Decision([Off(key, rang=True)])
        if word == "off":
            return Decision([Off(key, rang=False)], None, [CancelTimer(key)])
        if word == "forget":
            return Decision([], None, [TimerAt(key, rest[0], ("ring", key))])
        return Decision([Set(key, rest[0])], None, [TimerAt(key, rest[0], ("ring", key))])

    def evolve(self, state: dict[str, Any], event: Any) -> dict[str, Any]:
        if isinstance(event, Set):
            state["set"][event.key] = event.due
        else:
            del state["set"][event.key]
            if event.rang:
                state["rang"].append(event.key)
        return state

    def pending(self, state: dict[str, Any]) -> list[TimerAt]:
        return [TimerAt(key, due, ("ring", key)) for key, due in state["set"].items()]

    def snapshot(self, state: dict[str, Any]) -> Any:
        return state

    def restore(self, value: Any) -> dict[str, Any]:
        return value  # type: ignore[no-any-return] # what snapshot() gave
