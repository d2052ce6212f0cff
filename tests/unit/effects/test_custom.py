"""Effects of users' own types: performed, and again if the state waits for them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest

from indelible import ActorSystem, Context, Decider, Decision, Event, RefusedError
from indelible.api.facade import access_to
from indelible.errors import EffectWithoutEventError, UnknownEffectError, WrongPendingError
from indelible.testing.deciders import given
from indelible.testing.hold import Hold


@dataclass(frozen=True)
class Print:
    """An effect that nothing waits for."""

    text: str


class Mail(msgspec.Struct, frozen=True):
    """An effect that the state waits for."""

    key: str
    text: str


class Wanted(Event, frozen=True):
    wire_name: ClassVar[str] = "letter.wanted"

    text: str


class Sent(Event, frozen=True):
    wire_name: ClassVar[str] = "letter.sent"


class Letter(Decider[str]):
    """A text is printed and mailed, until it is told that the mail has gone out."""

    category: ClassVar[str] = "letter"
    event_types: ClassVar[Sequence[type[Event]]] = (Wanted, Sent)

    def initial_state(self) -> str:
        return ""

    def decide(self, state: str, message: Any) -> Decision:
        if message == "sent":
            return Decision([Sent()])
        if isinstance(message, list):
            return Decision([Wanted("x")] if message[0] else [], None, message[1])
        return Decision([Wanted(message)], "wanted", [Print(message), Mail("mail", message)])

    def evolve(self, state: str, event: Any) -> str:
        return event.text if isinstance(event, Wanted) else ""

    def pending(self, state: str) -> list[Mail]:
        return [Mail("mail", state)] if state and state != "x" else []


class Office:
    """Handlers, and what they were called with."""

    def __init__(self, act: Callable[[], Any] = lambda: None) -> None:
        self.act = act
        self.printed: list[str] = []
        self.mailed: list[tuple[str, str, str, Context]] = []

    def print(self, effect: Print) -> None:
        self.printed.append(effect.text)

    def mail(self, context: Any, effect: Mail) -> None:
        self.mailed.append((context.idempotency_key, context.stream, effect.text, context.envelope))
        self.act()

    async def mail_async(self, context: Any, effect: Mail) -> None:
        self.mail(context, effect)

    def system(self, url: str, mail: str = "mail", **more: Any) -> ActorSystem:
        effects = {Print: self.print, Mail: getattr(self, mail)}
        return ActorSystem(url, actors=[Letter()], effects=effects, **more)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/letters.db"


@pytest.mark.parametrize("mail", ["mail", "mail_async"])
def test_a_handler_gets_the_effect_and_where_it_comes_from(url: str, mail: str) -> None:
    office = Office()
    with office.system(url, mail, drain=20) as system:
        assert system.actor(Letter, "1").ask("hello", by="ada", timeout=10) == "wanted"
    assert office.printed == ["hello"]
    context = Context("1", "letter-1/1", principal="ada")
    assert office.mailed == [("letter-1/1/1", "letter-1", "hello", context)]


def test_what_the_state_waits_for_is_performed_again_and_nothing_else(url: str) -> None:
    office = Office()
    with office.system(url, drain=20) as system:
        system.actor(Letter, "1").ask("hello", timeout=10)
    with office.system(url, drain=20) as system:
        system.actor(Letter, "1").ask("sent", timeout=10)
    with office.system(url, drain=20) as system:
        assert system.actor(Letter, "1").state() == ""
    assert office.printed == ["hello"]
    assert [key for key, *_ in office.mailed] == ["letter-1/1/1"] * 2


def test_an_effect_that_is_under_way_is_not_begun_twice(url: str) -> None:
    hold = Hold()
    office = Office(hold)
    hold.close()
    with office.system(url, drain=20) as system:
        letter = system.actor(Letter, "1")
        letter.ask("hello", timeout=10)
        hold.wait()
        assert system.health()["calls"]["running"] == 1
        with pytest.raises(UnknownEffectError):  # after which it is read back
            letter.ask([1, ["?"]], timeout=10)
        letter.ask([0, []], timeout=10)
        hold.open()
    assert len(office.mailed) == 1


def test_what_fails_is_logged_and_touches_nothing_else(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    def fails() -> None:
        raise ValueError("no stamps")

    office = Office(fails)
    with office.system(url, drain=20) as system:
        assert system.actor(Letter, "1").ask("hello", timeout=10) == "wanted"
    assert office.printed == ["hello"]
    [record] = [record for record in caplog.records if record.levelno == logging.ERROR]
    words = "effect Mail of letter-1 failed in attempt 1: ValueError: no stamps"
    assert record.getMessage() == words


def test_what_has_not_begun_when_its_system_closes_is_performed_yet(url: str) -> None:
    hold = Hold()
    office = Office(hold)
    hold.close()
    with office.system(url, max_threads=1, drain=20) as system:
        for name in "12":
            system.actor(Letter, name).ask("hello", timeout=10)
        hold.wait()
        access_to(system).work.hold()
        hold.open()
    assert len(office.printed) == len(office.mailed) == 2


def test_what_there_is_no_time_for_is_named_and_performed_again_if_the_state_waits_for_it(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    hold = Hold()
    office = Office(hold)
    hold.close()
    with office.system(url, drain=0) as system:
        system.actor(Letter, "1").ask("hello", timeout=10)
        hold.wait()
    words = "left behind: letter-1/Mail; its attempt counts as cut off"
    assert words in [record.getMessage() for record in caplog.records]
    hold.open()
    with office.system(url, drain=20) as system:
        system.actor(Letter, "1").ask("sent", timeout=10)
    assert [key for key, *_ in office.mailed] == ["letter-1/1/1"] * 2


@pytest.mark.parametrize(
    ("message", "wanted", "words"),
    [
        ([0, [Print("x")]], EffectWithoutEventError, "returned a Print without an event"),
        ([1, [Mail("k", "x")]], WrongPendingError, r"None where decide\(\) said Mail"),
        ([1, [Mail("k" * 201, "x")]], RefusedError, "the key of a Mail has 1 to 200 characters"),
        ([1, [5]], UnknownEffectError, "type 'int', which has no handler; known are .*Mail"),
    ],
)
def test_what_cannot_be_performed_is_refused_before_anything_is_stored(
    url: str, message: Any, wanted: type[Exception], words: str
) -> None:
    with Office().system(url) as system:
        letter = system.actor(Letter, "1")
        with pytest.raises(wanted, match=words):
            letter.ask(message, timeout=10)
        assert letter.events() == []


@pytest.mark.parametrize(
    ("effects", "error", "words"),
    [
        ({"Mail": print}, TypeError, "effects: 'Mail' is no type"),
        ({Mail: 5}, TypeError, "effects: Mail is 5, which cannot be called"),
        ({Mail: lambda: 1}, TypeError, r"effects: Mail must take \(argument\), or"),
        ({Decision: print}, ValueError, "effects: Decision is the engine's own"),
    ],
)
def test_wrong_handlers_are_refused_when_the_system_is_made(
    effects: Any, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        ActorSystem("memory://", effects=effects)


def test_own_effects_are_tested_without_a_system() -> None:
    effects = [Print("hello"), Mail("mail", "hello")]
    letter = given(Letter()).when("hello").then([Wanted("hello")], effects=effects)
    assert letter.pending == [Mail("mail", "hello")]
    assert letter.when("sent").pending == []
