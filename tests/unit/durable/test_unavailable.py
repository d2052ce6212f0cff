"""While the store does not take writes: asks are refused by name, all else is kept, in bounds."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from indelible.actors.durable import mailbox
from indelible.errors import StoreUnavailableError

FOR_EVER = 1_000_000


@pytest.fixture
def down(bank: Any) -> Any:
    """Takes the store down, with an actor that has noticed."""
    bank.account("ann").ask(["deposit", 1])
    bank.fault.arm(FOR_EVER)
    with pytest.raises(StoreUnavailableError, match="injected"):
        bank.account("ann").ask(["deposit", 100])
    yield bank
    bank.fault.arm(0)


def settled(bank: Any, version: int) -> None:
    """Until the stream of ann has this version."""
    there = threading.Event()

    def look(_: object) -> None:
        if bank.store.head("account-ann").version >= version:
            there.set()

    end = bank.store.subscribe(look)
    look(None)
    assert there.wait(20)
    end()


def test_asks_are_refused_by_name_and_at_once(down: Any) -> None:
    for message in (["deposit", 1], ["balance"], ["withdraw", 9]):
        with pytest.raises(StoreUnavailableError):
            down.account("ann").ask(message, timeout=10)
    assert down.store.state == "unavailable"
    assert down.account("ann").state() == {"balance": 1, "deposits": 1}  # reading goes on


def test_what_was_told_is_handled_when_the_store_is_back(down: Any) -> None:
    for amount in range(2, 30):
        down.account("ann").tell(["deposit", amount])
    with pytest.raises(StoreUnavailableError):
        down.account("ann").ask(["balance"], timeout=10)
    down.fault.arm(0)
    settled(down, 29)
    types = down.parts.types
    amounts = [types.decode(event).amount for event in down.store.read("account-ann")]
    assert amounts == list(range(1, 30))


def test_what_is_told_too_much_is_a_dead_letter(down: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(mailbox, "COMMANDS", 20)
    for _ in range(50):
        down.account("ann").tell(["deposit", 1])
        with pytest.raises(StoreUnavailableError):
            down.account("ann").ask(["balance"], timeout=10)
    assert len(down.parts.host.dead_letters) == 30
    down.fault.arm(0)
    settled(down, 21)
    assert down.look("ann") == 21


def test_one_timer_waits_for_the_store_however_many_speak(down: Any) -> None:
    for _ in range(200):
        down.account("ann").tell(["deposit", 1])
        with pytest.raises(StoreUnavailableError):
            down.account("ann").ask(["balance"], timeout=10)
    assert len(down.parts.runtime.timers) <= 4  # the sweep, and one or two looks


def test_no_number_of_refusals_sets_an_actor_aside(down: Any) -> None:
    for _ in range(30):
        with pytest.raises(StoreUnavailableError):
            down.account("ann").ask(["deposit", 1], timeout=10)
    down.fault.arm(0)
    down.account("ann").tell(["deposit", 1])
    settled(down, 2)
    assert down.look("ann") == 2
