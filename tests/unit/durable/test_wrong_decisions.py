"""What a ``decide`` returns that is no decision is said to the asker, and nothing is stored."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import pytest

from indelible import ActorHandle, ActorSystem, Decider, Decision, Event
from indelible.errors import WrongDecisionError


class Counted(Event):
    wire_name: ClassVar[str] = "wrong.counted"

    n: int


async def later() -> list[Event]:
    return []


class Renamed(Decision, frozen=True):
    """A subclass, which the engine does not know."""


class Wordless:
    def __repr__(self) -> str:
        raise ValueError("no words")


class Given(Decider[int]):
    """A message makes what ``decide`` returns."""

    category = "given"
    event_types = (Counted,)

    def initial_state(self) -> int:
        return 0

    def decide(self, count: int, make: Callable[[], Any]) -> Any:
        return make()

    def evolve(self, count: int, event: Counted) -> int:
        return count + event.n


MAY = r"; it may return a list of events, an empty one for nothing, or a Decision of them$"
WRONG: dict[str, tuple[Callable[[], Any], str]] = {
    "nothing": (lambda: None, "returned None"),
    "an event": (lambda: Counted(1), r"returned Counted\(n=1\)"),
    "a number": (lambda: 5, "returned 5"),
    "text": (lambda: "counted", "returned 'c' among its events"),
    "a coroutine": (later, "returned a coroutine"),
    "a class": (lambda: [Counted], "returned <class '.*Counted'> among its events"),
    "a mapping": (lambda: {"n": 1}, "returned 'n' among its events"),
    "half": (lambda: [Counted(1), {"n": 2}], r"returned \{'n': 2\} among its events"),
    "a generator": (lambda: iter([Counted(1), 2]), "returned 2 among its events"),
    "no events": (lambda: Decision(None), "returned a Decision whose events are None"),  # type: ignore[arg-type]
    "effects": (lambda: Decision((), effects=5), "returned a Decision whose effects are 5"),  # type: ignore[arg-type]
    "a subclass": (Renamed, r"returned Renamed\("),
    "without words": (lambda: [Wordless()], "returned its text cannot be read: ValueError"),
    "long": (lambda: ["x" * 1_000], r"returned 'x{79} … \(1,002 characters in all\) among"),
}


@pytest.fixture
def given() -> Iterator[ActorHandle[int, Any]]:
    with ActorSystem("memory://", actors=[Given()]) as system:
        yield system.actor(Given, "1")


@pytest.mark.parametrize("name", WRONG)
def test_it_is_named_with_its_decider_and_the_actor_goes_on(
    given: ActorHandle[int, Any], name: str
) -> None:
    make, found = WRONG[name]
    given.ask(lambda: [Counted(1)])
    with pytest.raises(WrongDecisionError, match=rf"^Given\.decide\(\) {found}"):
        given.ask(make, timeout=50)
    with pytest.raises(WrongDecisionError, match=MAY):
        given.ask(make, timeout=50)
    assert len(given.events()) == 1
    given.ask(lambda: [Counted(1)], timeout=50)
    assert given.state() == 2


def test_an_error_of_a_decide_that_returns_nothing_wrong_stays_what_it_is(
    given: ActorHandle[int, Any],
) -> None:
    with pytest.raises(ZeroDivisionError):
        given.ask(lambda: 1 // 0, timeout=50)
    with pytest.raises(ZeroDivisionError):
        given.ask(lambda: (Counted(1 // n) for n in (1, 0)), timeout=50)
    assert given.events() == []
