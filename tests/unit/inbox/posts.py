"""Actors that tell each other: senders, and posts that note what they get."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec

from indelible import Decider, Decision, Event, RefusedError, Tell
from indelible.testing.hold import Hold


class Sent(Event, frozen=True, gc=False):
    wire_name: ClassVar[str] = "post.sent"


class Got(Event, frozen=True, gc=False):
    wire_name: ClassVar[str] = "post.got"

    text: str


class Card(msgspec.Struct, frozen=True):
    text: str


class Sender(Decider[int]):
    """Tells the recipients what it is told to, with one event."""

    category: ClassVar[str] = "sender"
    event_types: ClassVar[Sequence[type[Event]]] = (Sent,)

    def initial_state(self) -> int:
        return 0

    def decide(self, state: int, message: Any) -> Decision:
        return Decision([Sent()], state + 1, [Tell("post", to, what) for to, what in message])

    def evolve(self, state: int, event: Any) -> int:
        return state + 1


class Post(Decider[int]):
    """Notes every message."""

    category: ClassVar[str] = "post"
    event_types: ClassVar[Sequence[type[Event]]] = (Got,)
    message_types: ClassVar[Sequence[type[msgspec.Struct]]] = (Card,)

    def __init__(self) -> None:
        self.hold = Hold()

    def initial_state(self) -> int:
        return 0

    def decide(self, state: int, message: Any) -> Decision:
        self.hold()
        if message == "count":
            return Decision(reply=state)
        if message == "nothing":
            return Decision()
        if message == "refuse":
            raise RefusedError("not today")
        if message == "fail":
            raise ZeroDivisionError("by nothing")
        return Decision([Got(message.text if isinstance(message, Card) else message)])

    def evolve(self, state: int, event: Any) -> int:
        return state + 1
