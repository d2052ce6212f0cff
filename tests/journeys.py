"""Actors that start runs, for tests: a trip is booked by a run, and a postcard is sent by one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

from indelible import Decider, Decision, Event, RunEnded, StartRun


class Planned(Event):
    wire_name: ClassVar[str] = "trip.planned"

    to: str


class Over(Event):
    wire_name: ClassVar[str] = "trip.over"

    status: str
    result: dict[str, Any]
    error: str


BOOK = {
    "name": "book",
    "steps": [{"name": "pay", "type": "pay", "params": {"to": {"ref": "input.to"}}}],
}


class Heard(NamedTuple):
    """An effect: the trip has heard of the end of its booking."""


class Trip(Decider[dict[str, Any]]):
    """A name plans the trip; a run books it, of which it hears, and another sends a postcard."""

    category: ClassVar[str] = "trip"
    event_types: ClassVar[Sequence[type[Event]]] = (Planned, Over)

    def __init__(self, definition: Any = "book", run_id: str = "") -> None:
        self.definition = definition
        self.run_id = run_id

    def booking(self, to: Any) -> StartRun:
        return StartRun("agency", self.definition, {"to": to}, self.run_id, "booking")

    def initial_state(self) -> dict[str, Any]:
        return {"is": "new"}

    def decide(self, state: dict[str, Any], message: Any) -> Decision:
        if isinstance(message, RunEnded):
            error = "" if message.error is None else f"{message.error['type']}"
            over = Over(message.status, message.result, error)
            return Decision([over], None, [Heard()])
        if isinstance(message, list):  # effects as they are
            return Decision([Over("", {}, "")], None, message)
        card = StartRun("post", self.definition, {"to": message})
        return Decision([Planned(message)], "planned", [self.booking(message), card])

    def evolve(self, state: dict[str, Any], event: Any) -> dict[str, Any]:
        if isinstance(event, Planned):
            return {"is": "planned", "to": event.to}
        return {"is": "over", "how": (event.status, event.result, event.error)}

    def pending(self, state: dict[str, Any]) -> list[StartRun]:
        return [self.booking(state["to"])] if state["is"] == "planned" else []
