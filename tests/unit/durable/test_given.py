"""Deciders are tested without a system, and what a system would refuse fails there as well."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import pytest

from indelible import Decider, Decision, Event, RefusedError, TimerAt
from indelible.errors import ValueNotStorableError, WrongDecisionError, WrongPendingError
from indelible.testing.deciders import given


class Counted(Event):
    wire_name: ClassVar[str] = "count.counted"

    by: int


class Counter(Decider[list[int]]):
    category: ClassVar[str] = "count"
    event_types: ClassVar[Sequence[type[Event]]] = (Counted,)

    def initial_state(self) -> list[int]:
        return []

    def decide(self, state: list[int], message: Any, context: Any) -> Any:
        if message == "no":
            raise RefusedError("not today")
        if message == "change":
            state.append(1)
            return []
        if message == "who":
            return Decision((), (context.principal, context.now))
        if message == "later":
            return Decision([Counted(1)], None, [TimerAt("k", 5, "x")])
        if message == "nothing":
            return 5
        return [Counted(message)]

    def evolve(self, state: list[int], event: Any) -> list[int]:
        return [*state, event.by]


def test_events_reply_and_state_are_seen() -> None:
    counter = given(Counter(), Counted(1)).when(2).then([Counted(2)], reply=None, effects=[])
    assert counter.state == [1, 2]
    assert counter.events == [Counted(1), Counted(2)]
    counter.when("who", principal="ada", now=7).then([], reply=("ada", 7))
    assert counter.when("no").refused("today").state == [1, 2]


@pytest.mark.parametrize(
    ("message", "error", "match"),
    [
        ("change", AssertionError, r"Counter.decide\(\) has changed the state"),
        ("later", WrongPendingError, "returned None where"),
        ("nothing", WrongDecisionError, "returned 5"),
        ("text", ValueNotStorableError, "by"),
    ],
)
def test_what_a_system_would_refuse_fails(message: Any, error: Any, match: str) -> None:
    with pytest.raises(error, match=match):
        given(Counter()).when(message)


def test_what_is_not_so_is_said() -> None:
    counter = given(Counter()).when(2)
    wrongs: list[tuple[Callable[[], object], str]] = [
        (lambda: counter.then([]), r"events: \[Counted\(by=2\)\]"),
        (lambda: counter.then(reply=2), "reply: None"),
        (lambda: counter.then(effects=["x"]), r"effects: \(\)"),
        (counter.refused, r"not refused: it led to \[Counted"),
        (lambda: counter.when("no").then(), "refused: not today"),
        (lambda: counter.when("no").refused("never"), "refused otherwise: not today"),
    ]
    for wrong, match in wrongs:
        with pytest.raises(AssertionError, match=match):
            wrong()
