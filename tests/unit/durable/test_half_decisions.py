"""A decision is all or nothing, also when what follows ``decide`` says no where it may not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

import pytest

from indelible import ActorSystem, Decider, RefusedError
from indelible.errors import ActorFailedError
from indelible.events.model.event import Event


class Counted(Event, frozen=True):
    wire_name: ClassVar[str] = "half.counted"

    n: int


class Doubtful(Event, frozen=True):
    wire_name: ClassVar[str] = "half.doubtful"
    complete: ClassVar[bool] = False  # whether encoding, which makes it anew, may fail

    n: int

    def __post_init__(self) -> None:
        if Doubtful.complete:
            raise RefusedError("not like this")


class Half(Decider[int]):
    """A message is the events that it causes; ``evolve`` refuses one numbered 2."""

    category: ClassVar[str] = "half"
    event_types: ClassVar[Sequence[type[Event]]] = (Counted, Doubtful)
    guarded = True

    def initial_state(self) -> int:
        return 0

    def decide(self, state: int, message: Any) -> list[Event]:
        if message == "no":
            raise RefusedError("said by decide")
        if message == "slowly no":
            return self._refuse_slowly()  # type: ignore[return-value]
        if message == "doubtful":
            events = [Counted(1), Doubtful(3)]
            Doubtful.complete = True
            return events
        return [Counted(n) for n in message]

    def _refuse_slowly(self) -> Iterator[Event]:
        yield Counted(1)
        raise RefusedError("said by decide")

    def evolve(self, state: int, event: Any) -> int:
        if event.n == 2 and self.guarded:
            raise RefusedError("no second one")
        return state + 1


@pytest.fixture
def half() -> Iterator[Any]:
    Half.guarded, Doubtful.complete = True, False
    with ActorSystem("memory://", actors=[Half()]) as system:
        yield system.actor("half", "1")
    Doubtful.complete = False


@pytest.mark.parametrize("message", [[1, 2], [2], "doubtful"])
def test_a_refusal_after_decide_leaves_no_event_and_is_a_failure_to_the_asker(
    half: Any, message: Any
) -> None:
    half.ask([1, 1])
    with pytest.raises(ActorFailedError, match="only decide") as failed:
        half.ask(message, timeout=50)
    Doubtful.complete = False
    assert isinstance(failed.value.__cause__, RefusedError)
    assert len(half.events()) == 2
    assert half.ask([1], timeout=50) is None  # it goes on
    assert [event.version for event in half.events()] == [1, 2, 3]


@pytest.mark.parametrize("message", ["no", "slowly no"])
def test_a_refusal_by_decide_is_one_to_the_asker(half: Any, message: str) -> None:
    with pytest.raises(RefusedError, match="said by decide"):
        half.ask(message, timeout=50)
    assert half.events() == []


def test_what_is_decided_beside_a_half_decision_is_stored_whole(half: Any) -> None:
    ask: Callable[..., Any] = half._access.directory.ask
    before, bad, after = (ask("half-1", message) for message in ((1, 1), (1, 2), (3, 4)))
    with pytest.raises(ActorFailedError):
        bad.get(timeout=50)
    before.get(timeout=50)
    after.get(timeout=50)
    stored = [half._access.parts.types.decode(event).n for event in half.events()]
    assert stored == [1, 1, 3, 4]


def test_a_refusal_while_a_stream_is_read_back_is_a_failure_to_the_asker(half: Any) -> None:
    Half.guarded = False
    half.ask([2])
    Half.guarded = True
    directory = half._access.directory
    assert directory.passivate(directory.live("half-1"))
    with pytest.raises(ActorFailedError, match="only decide"):
        half.ask([1], timeout=50)
