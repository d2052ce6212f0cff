"""Effects of users' own actors: who performs them, and which are refused."""

from __future__ import annotations

from typing import Any

import pytest

import deciders
from deciders import Noted
from indelible import ActorSystem, Decision, RefusedError, Tell, TimerAt
from indelible.api.facade import access_to
from indelible.errors import (
    EffectWithoutEventError,
    PayloadTooLargeError,
    UnknownEffectError,
    ValueNotStorableError,
    WrongDecisionError,
    WrongPendingError,
)


class Note(deciders.Note):
    """Returns the effects that it is sent, with an event."""

    def decide(self, state: int, message: Any) -> Decision:
        return Decision([Noted()], None, message)


@pytest.mark.parametrize(
    ("effect", "wanted", "match"),
    [
        (Tell("nobody", "x", 1), RefusedError, "no actor category 'nobody'; known are note"),
        (Tell("run", "x", 2), RefusedError, "no actor category 'run'"),
        (Tell("note", "", 3), RefusedError, "actor id"),
        (Tell("note", "x", (1,)), ValueNotStorableError, r"\$ is a tuple"),
        (Tell("note", "x", bytes(5 << 20)), PayloadTooLargeError, "4194304|4,194,304"),
        ("no effect at all", UnknownEffectError, "type 'str', which has no handler; known are"),
        (TimerAt("", 5, "x"), RefusedError, "a timer's key has 1 to 200 characters: ''"),
        (TimerAt("k", 5.0, "x"), RefusedError, r"an int: 5\.0"),  # type: ignore[arg-type]
        (TimerAt("k", 5, "x"), WrongPendingError, r"returned None where decide\(\) said TimerAt"),
    ],
)
def test_an_effect_that_nothing_can_perform_is_refused_before_anything_is_stored(
    effect: Any, wanted: type[Exception], match: str
) -> None:
    with ActorSystem("memory://", actors=[Note()]) as system:
        ann = system.actor(Note, "ann")
        with pytest.raises(wanted, match=match):
            ann.ask([Tell("note", "ben", []), effect], timeout=10)
        assert ann.ask([], timeout=10) is None
        assert ann.state() == 1
        assert system.store.head("note-ben") is None


def test_what_is_told_without_an_event_is_refused(bank: Any) -> None:
    words = r"Account.decide\(\) returned a Tell without an event; return an event with it"
    with pytest.raises(EffectWithoutEventError, match=words):
        bank.account("ann").ask(["tell", "ben", ["deposit", 7]], timeout=10)
    assert bank.look("ann") == 0
    assert bank.look("ben") == 0


def test_effects_that_are_none_are_named(caplog: Any) -> None:
    with ActorSystem("memory://", actors=[Note()]) as system:
        ann = system.actor(Note, "ann")
        with pytest.raises(WrongDecisionError, match=r"a Decision whose effects are 5"):
            ann.ask(5, timeout=10)
        assert ann.state() == 0


def test_an_effect_that_fails_touches_no_other_effect_and_no_reply(caplog: Any) -> None:
    def fails(_actor: Any, _effect: Any) -> None:
        raise ValueError("broken")

    with ActorSystem("memory://", actors=[Note()]) as system:
        access_to(system).parts.host.effects.register(int, lambda _: None, fails)
        ann, ben = system.actor(Note, "ann"), system.actor(Note, "ben")
        assert ann.ask([1, Tell("note", "ben", []), 2], timeout=10) is None
        assert ben.ask([], timeout=10) is None
        assert ben.state() == 2
        assert ann.ask([], timeout=10) is None
    errors = [record.message for record in caplog.records if record.levelname == "ERROR"]
    assert errors == ["an effect of note-ann failed: 'int'"] * 2
