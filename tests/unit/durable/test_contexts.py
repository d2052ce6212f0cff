"""Each event has the context of its own message, whatever becomes of those around it."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from indelible import Context
from indelible.errors import StoreUnavailableError


def wait_for(bank: Any, stream: str, version: int) -> list[tuple[int, Context]]:
    """Amount and context of the stream's events, once there are ``version`` of them."""
    there = threading.Event()

    def look(_: object) -> None:
        head = bank.store.head(stream)
        if head is not None and head.version >= version:
            there.set()

    end = bank.store.subscribe(look)
    look(None)
    assert there.wait(20)
    end()
    decode = bank.parts.types.decode
    return [(decode(event).amount, event.context) for event in bank.store.read(stream)]


def of(who: str, identity: str = "ann") -> Context:
    return Context(identity, principal=who)


def test_messages_of_one_activation_keep_their_own(bank: Any) -> None:
    ann, hold = bank.account("ann"), bank.decider.hold
    hold.close()
    ann.tell(["held deposit", 1], by="ada")
    hold.wait()
    groups: list[int] = []
    end = bank.store.subscribe(lambda events: groups.append(len(events)))
    ann.tell(["deposit", 2, 3], by="ben")
    ann.tell(["deposit", 4])
    ann.tell(["deposit", 5], by="cem")
    hold.open()
    assert wait_for(bank, "account-ann", 5) == [
        (1, of("ada")),
        (2, of("ben")),
        (3, of("ben")),
        (4, Context("ann")),
        (5, of("cem")),
    ]
    end()
    assert max(groups) >= 4  # what waited was one append, of several contexts


def test_what_is_decided_again_after_a_failed_commit_keeps_its_own(bank: Any) -> None:
    ann = bank.account("ann")
    bank.fault.arm(1)
    ann.tell(["deposit", 1], by="ada", why="rent")
    ann.tell(["deposit", 2], by="ben")
    found = wait_for(bank, "account-ann", 2)
    assert found == [(1, Context("ann", principal="ada", reason="rent")), (2, of("ben"))]


def test_what_waits_while_the_store_is_away_keeps_its_own(bank: Any) -> None:
    ann = bank.account("ann")
    ann.ask(["deposit", 1])
    bank.fault.arm(1_000_000)
    with pytest.raises(StoreUnavailableError):
        ann.ask(["deposit", 100], by="eve")
    for amount, who in ((2, "ada"), (3, "ben")):
        ann.tell(["deposit", amount], by=who)
    bank.fault.arm(0)
    assert wait_for(bank, "account-ann", 3) == [(1, Context("ann")), (2, of("ada")), (3, of("ben"))]


def test_others_keep_their_own_when_one_message_crashes_the_actor(bank: Any) -> None:
    ann, hold = bank.account("ann"), bank.decider.hold
    hold.close()
    ann.tell(["held deposit", 1], by="ada")
    hold.wait()
    ann.tell(["deposit", 2], by="ben")
    ann.tell(["fail", "bad"], by="eve")
    ann.tell(["deposit", 3], by="cem")
    hold.open()
    assert wait_for(bank, "account-ann", 3) == [(1, of("ada")), (2, of("ben")), (3, of("cem"))]


def test_a_message_that_is_passed_on_without_an_event_keeps_its_own_cause(bank: Any) -> None:
    with bank.system.context(by="ada", causation_id="queue/7"):
        bank.account("ann").tell(["forward", "ben", ["deposit", 7]])
    assert wait_for(bank, "account-ben", 1) == [(7, Context("ann", "queue/7", "ada"))]


def test_the_cause_is_the_last_event_of_the_very_decision(bank: Any) -> None:
    ann, hold = bank.account("ann"), bank.decider.hold
    hold.close()
    ann.tell(["held deposit", 1, 2])
    hold.wait()
    ann.tell(["deposit", 3])
    ann.tell(["transfer", "ben", 4], by="ada")
    ann.tell(["deposit", 5])
    hold.open()
    wait_for(bank, "account-ann", 5)
    assert wait_for(bank, "account-ben", 1) == [(4, Context("ann", "account-ann/4", "ada"))]
