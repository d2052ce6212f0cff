"""Deciders that tests share: an account, and notes of every message."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from indelible import Decider, Event


class Deposited(Event, frozen=True, gc=False):
    wire_name: ClassVar[str] = "account.deposited"

    amount: int


class Account(Decider[int]):
    """The sum of its messages."""

    category: ClassVar[str] = "account"
    event_types: ClassVar[Sequence[type[Event]]] = (Deposited,)

    def initial_state(self) -> int:
        return 0

    def decide(self, state: int, message: Any) -> Any:
        return [Deposited(message)]

    def evolve(self, state: int, event: Any) -> int:
        return state + int(event.amount)


class SnapshotAccount(Account):
    """An account that wakes from a snapshot."""

    def snapshot(self, state: int) -> int:
        return state

    def restore(self, value: Any) -> int:
        return int(value)


class Piecemeal(SnapshotAccount):
    """An account that takes a message as that many deposits of 1, an event each."""

    def decide(self, state: int, message: Any) -> list[Event]:
        return [Deposited(1) for _ in range(message)]


class Noted(Event, frozen=True, gc=False):
    wire_name: ClassVar[str] = "note.noted"


class Note(Decider[int]):
    """Notes every message; its state is how many there were."""

    category: ClassVar[str] = "note"
    event_types: ClassVar[Sequence[type[Event]]] = (Noted,)

    def initial_state(self) -> int:
        return 0

    def decide(self, state: int, message: Any) -> Any:
        return [Noted()]

    def evolve(self, state: int, event: Any) -> int:
        return state + 1
