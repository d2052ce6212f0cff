"""An actor that calls, for tests: orders that are charged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from indelible import (
    Call,
    CallFailed,
    CallReturned,
    Decider,
    Decision,
    Event,
    RefusedError,
    RetryPolicy,
)


class Placed(Event):
    wire_name: ClassVar[str] = "order.placed"

    amount: int


class Charged(Event):
    wire_name: ClassVar[str] = "order.charged"

    receipt: str
    attempt: int


class Unpaid(Event):
    wire_name: ClassVar[str] = "order.unpaid"

    why: str
    attempt: int
    unknown: bool


class Order(Decider[dict[str, Any]]):
    """An amount places the order; ``charge`` is called with it until the order is paid or not."""

    category: ClassVar[str] = "order"
    event_types: ClassVar[Sequence[type[Event]]] = (Placed, Charged, Unpaid)

    def __init__(
        self,
        retry: RetryPolicy | int = 1,
        timeout: float | None = None,
        on_unknown_outcome: Literal["retry", "fail"] = "retry",
    ) -> None:
        self.how: tuple[Any, ...] = (timeout, retry, on_unknown_outcome)

    def call(self, amount: int) -> Call:
        return Call("charge", "charge", amount, *self.how)

    def initial_state(self) -> dict[str, Any]:
        return {"is": "new", "amount": 0}

    def decide(self, state: dict[str, Any], message: Any) -> Decision | list[Event]:
        if isinstance(message, CallReturned):
            return [Charged(message.value, message.attempt)]
        if isinstance(message, CallFailed):
            why = f"{message.error_type}: {message.error_message}"
            return [Unpaid(why, message.attempt, message.unknown)]
        if state["is"] != "new":
            raise RefusedError(f"the order is {state['is']}")
        return Decision([Placed(message)], "placed", [self.call(message)])

    def evolve(self, state: dict[str, Any], event: Any) -> dict[str, Any]:
        if isinstance(event, Placed):
            return {"is": "placed", "amount": event.amount}
        if isinstance(event, Charged):
            return {"is": "charged", "receipt": event.receipt}
        return {"is": "unpaid", "why": event.why}

    def pending(self, state: dict[str, Any]) -> list[Call]:
        return [self.call(state["amount"])] if state["is"] == "placed" else []
