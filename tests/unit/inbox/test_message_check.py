"""A message that would arrive changed elsewhere is refused, wherever its actor is."""

from __future__ import annotations

import enum
from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, ClassVar, NamedTuple

import msgspec
import pytest

from indelible import ActorSystem, Decider, Event
from indelible.errors import ValueNotStorableError
from indelible.remote.message_check import untyped_fields
from indelible.remote.remote_messages import message_types


class Place(NamedTuple):
    x: int


class Size(enum.IntEnum):
    BIG = 1


class Box(msgspec.Struct):
    corner: tuple[int, int]
    inside: dict[str, Any]
    next: Box | None = None


class Bare(msgspec.Struct):
    parts: list  # type: ignore[type-arg] # of any type
    label: str = ""


class Got(Event):
    wire_name: ClassVar[str] = "shelf.got"


class Shelf(Decider[int]):
    category: ClassVar[str] = "shelf"
    event_types: ClassVar[Sequence[type[Event]]] = (Got,)
    message_types: ClassVar[Sequence[type[msgspec.Struct]]] = (Box, Bare)

    def initial_state(self) -> int:
        return 0

    def decide(self, state: int, message: Any) -> list[Event]:
        return [Got()]

    def evolve(self, state: int, event: Any) -> int:
        return state + 1


CIRCLE: list[Any] = [1]
CIRCLE.append(CIRCLE)

CHANGED = [
    *((1, 2), {"x": [(1,)]}, Place(1), [Size.BIG], bytearray(b"x"), OrderedDict(a=1)),
    *({(1, 2): 1}, {"a": memoryview(b"x")}, [object(), (1,)]),
    *(Box((1, 2), {"a": (1,)}), Box((1, 2), {"a": Decimal(1)}), Bare([{1}])),
    *(Bare([date(2025, 1, 1)]), Bare([[object()]])),
]
KEPT = [
    *(None, 5, "text", b"x", [1, {"a": [2.5, True]}], date(2025, 1, 1), datetime.now(UTC)),
    *(Box((1, 2), {"a": [1, None, {"b": b"x"}]}), Bare([1, "x"], "l"), [Decimal(1)]),
]


def ways(system: ActorSystem) -> list[Callable[[Any], Any]]:
    actor = system.actor(Shelf, "a")
    by_id = lambda message: actor.ask(message, message_id="m", timeout=20)  # noqa: E731 - as the others
    return [actor.ask, actor.tell, by_id]


@pytest.mark.parametrize("message", CHANGED, ids=range(len(CHANGED)))
def test_what_would_arrive_changed_is_refused_in_the_same_words_everywhere(
    tmp_path: Any, message: Any
) -> None:
    url = f"sqlite:///{tmp_path}/s.db"
    texts = set()
    with ActorSystem(url, actors=[Shelf()]) as system:
        with ActorSystem(url, actors=[Shelf()], mode="client") as client:
            for way in (*ways(system), *ways(client)):
                with pytest.raises(ValueNotStorableError) as caught:
                    way(message)
                texts.add(str(caught.value))
        assert system.actor(Shelf, "a").events() == []
    assert len(texts) == 1


@pytest.mark.parametrize("message", KEPT, ids=range(len(KEPT)))
def test_what_arrives_as_it_is_is_taken(tmp_path: Any, message: Any) -> None:
    with ActorSystem(f"sqlite:///{tmp_path}/s.db", actors=[Shelf()]) as system:
        for way in ways(system):
            way(message)
        system.actor(Shelf, "a").ask(1)
        assert len(system.actor(Shelf, "a").events()) == 4


def test_what_cannot_be_sent_elsewhere_at_all_is_for_this_process(tmp_path: Any) -> None:
    with ActorSystem(f"sqlite:///{tmp_path}/s.db", actors=[Shelf()]) as system:
        tell, ask = system.actor(Shelf, "a").tell, system.actor(Shelf, "a").ask
        tell(object())
        ask([object(), CIRCLE])
        assert len(system.actor(Shelf, "a").events()) == 2


def test_the_fields_of_no_type_are_found_when_the_type_is_listed() -> None:
    assert untyped_fields(Box) == ("inside",)
    assert untyped_fields(Bare) == ("parts",)

    class Unknown(msgspec.Struct):
        what: Nothing  # type: ignore[name-defined] # noqa: F821 - that is the mistake

    class Bad(Shelf):
        message_types = (Unknown,)

    with pytest.raises(NameError):
        message_types([Bad()])
