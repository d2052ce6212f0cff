"""An error whose own text raises is told like any other, wherever a user's code can raise one."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
import sqlalchemy as sa

from indelible import ActorSystem, Decider, Event, Projection, RefusedError
from indelible.errors import (
    ActorFailedError,
    ActorQuarantinedError,
    ConsumerFailedError,
    EventDecodeError,
)
from indelible.errors.error_text import in_words, message_of
from indelible.events.model.event_types import EventTypes
from indelible.events.model.run_events import RunAccepted
from indelible.remote.answer_codec import decode_answer, encode_error, encode_reply

if TYPE_CHECKING:
    from pathlib import Path

    from indelible.projections.views.view import Pair

WORDS = "Wordless: its text cannot be read: SystemExit"


class Wordless(Exception):  # noqa: N818 - its text is what matters
    def __str__(self) -> str:
        raise SystemExit("no text")

    __repr__ = __str__


class MoodyError(RefusedError):
    """A refusal of a user's own."""

    __str__ = Wordless.__str__


class Zone(dt.tzinfo):
    def utcoffset(self, when: dt.datetime | None) -> dt.timedelta:
        raise SystemExit("no offset")

    dst = utcoffset

    def tzname(self, when: dt.datetime | None) -> str:
        return "none"


class Opened(Event, frozen=True):
    wire_name: ClassVar[str] = "door.opened"


class Moved(Event, frozen=True):
    wire_name: ClassVar[str] = "door.moved"
    schema: ClassVar[int] = 2


class Door(Decider[int]):
    category = "door"
    event_types = (Opened,)

    def initial_state(self) -> int:
        return 0

    def decide(self, state: int, message: Any) -> Any:
        if message == "fail":
            raise Wordless
        return [Opened()]

    def evolve(self, state: int, event: Any) -> int:
        return state + 1


def lift(fields: dict[str, Any]) -> dict[str, Any]:
    raise Wordless


def test_the_words_of_any_error_can_be_had() -> None:
    assert in_words(Wordless()) == WORDS
    assert in_words(ValueError("a \0 and \ud800")) == "ValueError: a \0 and ?"
    assert message_of(ValueError("x" * 100), 10) == "xxxxxxxxxx … (100 characters in all)"


def test_an_actor_whose_decide_raises_one_answers_goes_on_and_is_set_aside_in_the_end() -> None:
    with ActorSystem("memory://", actors=[Door()]) as system:
        door = system.actor("door", "1")
        with pytest.raises(Wordless):
            door.ask("fail", timeout=10)
        door.ask("open", timeout=10)
        assert door.state() == 1

        def fail_again() -> None:
            for _ in range(50):
                with suppress(Wordless):
                    door.ask("fail", timeout=10)

        with pytest.raises(ActorQuarantinedError, match=WORDS):
            fail_again()


def test_an_answer_to_another_process_is_one_whatever_it_is() -> None:
    failed = decode_answer(encode_error("door-1", Wordless()), {})
    assert isinstance(failed, ActorFailedError)
    assert WORDS in str(failed)
    refused = decode_answer(encode_error("door-1", MoodyError("no")), {})
    assert isinstance(refused, RefusedError)
    assert "its text cannot be read" in str(refused)
    reply = encode_reply("door-1", dt.datetime(2024, 1, 1, tzinfo=Zone()), {})
    assert isinstance(decode_answer(reply, {}), ActorFailedError)


def test_an_upcast_that_raises_one_is_an_event_that_cannot_be_read() -> None:
    types = EventTypes()
    types.register(Moved, {1: lift})
    with pytest.raises(EventDecodeError, match="its text cannot be read"):
        types.decode_payload("door.moved", 1, b"\x80")


class Broken(Projection):
    name = "broken"
    tables = sa.MetaData()
    handles: ClassVar[Sequence[type[Event]]] = (RunAccepted,)
    sa.Table("broken_rows", tables, sa.Column("run", sa.Text, primary_key=True))

    def apply(self, connection: sa.Connection, events: Sequence[Pair]) -> None:
        raise Wordless


def test_views_and_consumers_that_raise_one_park_the_event_and_say_so(tmp_path: Path) -> None:
    def refuse(_batch: Any) -> None:
        raise Wordless

    with ActorSystem(f"sqlite:///{tmp_path}/s.db", projections=[Broken()]) as system:
        system.register_step("nothing", lambda: None)
        definition = {"name": "w", "steps": [{"type": "nothing"}]}
        system.workflow_agent("a").execute_workflow(definition)
        assert system.caught_up(timeout=20)
        [parked] = system.views.parked("broken")
        assert parked.error == WORDS
        task = system.consume("all", refuse, max_attempts=1)
        assert task.wait(20)
        assert isinstance(task.error, ConsumerFailedError)
        assert WORDS in str(task.error)
