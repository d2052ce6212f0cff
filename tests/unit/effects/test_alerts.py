"""Alerts: stored with the event, told to each handler until it takes them, and seen in the log."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

import deciders
from deciders import Noted
from inboxes import wait_until_empty
from indelible import ActorSystem, Alert, Alerted, Context, Decision, RefusedError
from indelible.api.facade import access_to
from indelible.errors import EffectWithoutEventError
from indelible.testing.deciders import given

HOT = Alert("error", "too hot", "oven", {"degrees": 300})


class Note(deciders.Note):
    """Returns the effects that it is sent, with an event unless it is told not to."""

    def decide(self, state: int, message: Any) -> Decision:
        if message == "no event":
            return Decision([], None, [HOT])
        return Decision([Noted()], None, message)


class Pager:
    """A handler that fails as often as it is told to."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.told: SimpleQueue[Alerted] = SimpleQueue()
        self.failed = threading.Semaphore(0)  # released by each failure
        self.calls = 0

    def __call__(self, alerted: Alerted) -> None:
        self.calls += 1
        if self.failures:
            self.failures -= 1
            self.failed.release()
            raise ConnectionError("the pager is off")
        self.told.put(alerted)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/notes.db"


def system_of(url: str, *alerts: Callable[[Alerted], object]) -> ActorSystem:
    return ActorSystem(url, actors=[Note()], alerts=alerts)


def records(caplog: pytest.LogCaptureFixture) -> Sequence[logging.LogRecord]:
    found = [record for record in caplog.records if record.name == "indelible.alerts"]
    return [record for record in found if "will be called again" not in record.getMessage()]


def test_each_handler_is_told_and_so_is_the_log(url: str, caplog: pytest.LogCaptureFixture) -> None:
    first, second = Pager(), Pager()
    with system_of(url, first, second) as system:
        system.actor(Note, "a").ask([HOT], by="ada", timeout=10)
        context = Context("a", "note-a/1", principal="ada")
        details = {"degrees": 300}
        wanted = Alerted("note-a/1/0", "note-a", "error", "too hot", "oven", details, context)
        assert first.told.get(timeout=30) == second.told.get(timeout=30) == wanted
        wait_until_empty(system.store)
        assert (first.calls, second.calls) == (1, 1)
        assert system.health()["why"] == ()
    [record] = records(caplog)
    assert (record.levelno, record.getMessage()) == (logging.ERROR, "note-a (oven): too hot")
    assert (record.__dict__["stream"], record.__dict__["alert"]) == ("note-a", "note-a/1/0")


def test_without_a_handler_it_is_in_the_log(url: str, caplog: pytest.LogCaptureFixture) -> None:
    with system_of(url) as system:
        system.actor(Note, "a").ask([Alert("critical", "fire")], timeout=10)
        wait_until_empty(system.store)
    [record] = records(caplog)
    assert (record.levelno, record.getMessage()) == (logging.CRITICAL, "note-a: fire")


def test_a_handler_that_fails_is_told_again_and_the_others_are_not(
    url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("indelible.effect_handlers.alerts.retry_delay", lambda *_: 0.0)
    first, second = Pager(failures=3), Pager()
    with system_of(url, first, second) as system:
        system.actor(Note, "a").ask([HOT], timeout=10)
        assert first.told.get(timeout=30) == second.told.get(timeout=30)
        wait_until_empty(system.store)
        assert system.health()["why"] == ()
    assert (first.calls, second.calls) == (4, 1)
    assert len(records(caplog)) == 1


def test_health_says_what_is_not_taken(url: str) -> None:
    pager = Pager(failures=1_000)
    with system_of(url, pager) as system:
        system.actor(Note, "a").ask([HOT], timeout=10)
        for _ in range(2):  # the first has been noted, then
            assert pager.failed.acquire(timeout=30)
        health = system.health()
    [why] = health["why"]
    assert why.startswith("1 alert waits for a handler that failed; its last error: ")
    assert "the pager is off" in why
    assert health["ready"]


def test_what_was_not_taken_is_told_after_the_next_open(url: str) -> None:
    fails, pager = Pager(failures=1_000), Pager()
    with system_of(url, fails) as system:
        system.actor(Note, "a").ask([HOT, Alert("info", "cold")], timeout=10)
        assert fails.failed.acquire(timeout=30)
    with system_of(url, pager):
        told = {pager.told.get(timeout=30).id for _ in range(2)}
    assert told == {"note-a/1/0", "note-a/1/1"}


def test_what_was_not_handed_over_is_told_by_the_next_owner(url: str) -> None:
    lost, pager = Pager(), Pager()
    with system_of(url, lost) as system:
        parts: Any = access_to(system).parts
        parts.inbox_worker.stop()
        parts.host.carrier.sent = lambda _: None  # as if the process died then
        system.actor(Note, "a").ask([HOT], timeout=10)
    with system_of(url, pager):
        assert pager.told.get(timeout=30).id == "note-a/1/0"
    assert lost.calls == 0


@pytest.mark.parametrize(
    ("alert", "words"),
    [
        (Alert("bad", "x"), "is one of info, warning, error, critical"),  # type: ignore[arg-type]
        (Alert("info", ""), "an Alert without a text"),
        (Alert("info", "x" * 10_001), "text has at most 10,000 characters"),
        (Alert("info", "x\0"), "text has at most 10,000 characters"),
        (Alert("info", "x", "y" * 201), "about has at most 200 characters"),
        (Alert("info", "x", "", {1}), "the details of an Alert: .* is a set"),
        (Alert("info", "x", "", bytes(5 << 20)), "the details of an Alert: "),
    ],
)
def test_what_cannot_be_told_is_refused_before_anything_is_stored(alert: Alert, words: str) -> None:
    with system_of("memory://") as system:
        note = system.actor(Note, "a")
        with pytest.raises(RefusedError, match=words):
            note.ask([alert], timeout=10)
        assert note.events() == []


def test_an_event_goes_with_it() -> None:
    with system_of("memory://") as system, pytest.raises(EffectWithoutEventError):
        system.actor(Note, "a").ask("no event", timeout=10)


async def page(alerted: Alerted) -> None:
    """Nobody awaits it."""


@pytest.mark.parametrize("handler", [5, page, lambda: None])
def test_wrong_handlers_are_refused_when_the_system_is_made(handler: Any) -> None:
    with pytest.raises(TypeError, match=r"alerts: .*: give plain functions of an alert"):
        ActorSystem("memory://", alerts=[handler])


def test_an_alert_is_tested_without_a_system() -> None:
    given(Note()).when([HOT]).then([Noted()], effects=[HOT])
