"""Invariants 1, 2 and 5: nothing leaves an actor before all that it rests on is durable."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from indelible.errors import RefusedError, StoreUnavailableError
from indelible.testing.faults import InjectedError
from indelible.testing.hold import Hold


def fail() -> None:
    raise InjectedError("the disk is gone")


def test_a_reply_waits_for_the_commit(bank: Any) -> None:
    bank.commit.close()
    deposit = bank.ask("ann", "deposit", 5)
    bank.commit.wait()
    assert not deposit.done()
    assert bank.store.head("account-ann") is None
    bank.commit.open()
    assert deposit.get(timeout=10) == 5
    assert bank.store.head("account-ann").version == 1


def test_a_query_waits_for_the_events_that_its_answer_rests_on(bank: Any) -> None:
    bank.commit.close()
    deposit = bank.ask("ann", "deposit", 5)
    bank.commit.wait()
    query = bank.ask("ann", "balance")
    assert bank.look("ben") == 0  # the actors run, but this answer rests on no event
    assert not query.done()
    bank.commit.open()
    assert (deposit.get(timeout=10), query.get(timeout=10)) == (5, 5)


def test_a_refusal_waits_for_the_events_that_it_rests_on(bank: Any) -> None:
    bank.commit.close()
    bank.ask("ann", "deposit", 5)
    bank.commit.wait()
    refusal = bank.ask("ann", "withdraw", 9)
    assert bank.look("ben") == 0
    assert not refusal.done()
    bank.commit.open()
    with pytest.raises(RefusedError) as refused:
        refusal.get(timeout=10)
    assert refused.value.balance == 5  # type: ignore[attr-defined]


def test_an_effect_waits_for_the_commit(bank: Any) -> None:
    bank.commit.close()
    bank.ask("ann", "transfer", "ben", 5)
    bank.commit.wait()
    assert bank.look("ben") == 0
    bank.commit.open()
    bank.look("ann")
    assert bank.look("ben") == 5


def test_an_effect_without_events_waits_for_the_events_before_it(bank: Any) -> None:
    bank.commit.close()
    bank.ask("ann", "deposit", 5)
    bank.commit.wait()
    forwarded = bank.ask("ann", "forward", "ben", ("deposit", 7))
    assert bank.look("ben") == 0
    bank.commit.open()
    forwarded.get(timeout=10)
    assert bank.look("ben") == 7


def test_several_decisions_share_the_wait_for_one_commit(bank: Any) -> None:
    bank.commit.close()
    first = bank.ask("ann", "deposit", 1)
    bank.commit.wait()
    later = [bank.ask("ann", "deposit", 1) for _ in range(200)]
    bank.commit.open()
    assert [first.get(timeout=10), *(ask.get(timeout=10) for ask in later)] == list(range(1, 202))
    recorded = bank.store.read("account-ann")
    assert [event.version for event in recorded] == list(range(1, 202))


def test_when_a_commit_fails_all_that_rested_on_it_is_refused_by_name(bank: Any) -> None:
    bank.account("ann").ask(["deposit", 1])
    bank.commit.close(fail)
    waiting = [bank.ask("ann", "deposit", 5), bank.ask("ann", "deposit", 6)]
    bank.commit.wait()
    waiting += [bank.ask("ann", "balance"), bank.ask("ann", "deposit", 7)]
    assert bank.look("ben") == 0  # until then ann has decided on all of them
    bank.commit.open()
    for ask in waiting:
        with pytest.raises(StoreUnavailableError):
            ask.get(timeout=10)
    assert [event.version for event in bank.store.read("account-ann")] == [1]


def test_an_answer_computed_from_a_state_that_was_lost_meanwhile_is_not_given(bank: Any) -> None:
    bank.account("ann").ask(["deposit", 1])
    bank.commit.close(fail)
    deposit = bank.ask("ann", "deposit", 5)
    bank.commit.wait()
    bank.decider.hold.close()
    query = bank.ask("ann", "held balance")
    bank.decider.hold.wait()  # decide() looks at a balance of 6
    bank.commit.open()
    with pytest.raises(StoreUnavailableError):
        deposit.get(timeout=10)
    bank.decider.hold.open()
    with pytest.raises(StoreUnavailableError):
        query.get(timeout=10)


def test_an_effect_computed_from_a_state_that_was_lost_meanwhile_is_not_performed(
    bank: Any,
) -> None:
    bank.account("ann").ask(["deposit", 1])
    assert bank.look("ben") == 0
    bank.commit.close(fail)
    deposit = bank.ask("ann", "deposit", 5)
    bank.commit.wait()
    bank.decider.hold.close()
    forwarded = bank.ask("ann", "held forward", "ben", ("deposit", 7))
    bank.decider.hold.wait()
    bank.commit.open()
    with pytest.raises(StoreUnavailableError):
        deposit.get(timeout=10)
    bank.decider.hold.open()
    with pytest.raises(StoreUnavailableError):
        forwarded.get(timeout=10)
    assert bank.look("ben") == 0


def test_an_actor_is_not_read_again_while_effects_of_its_last_commit_are_performed(
    bank: Any, monkeypatch: Any
) -> None:
    handler, hold = bank.parts.host.effects, Hold()
    perform = handler.perform

    def slowly(*args: Any) -> None:
        hold()
        perform(*args)

    monkeypatch.setattr(handler, "perform", slowly)
    assert bank.look("ben") == 0
    hold.close()
    transferred = bank.ask("ann", "post", "ben", 5)
    hold.wait()
    with pytest.raises(ValueError, match="bad"):
        bank.ask("ann", "raise", ValueError("bad")).get(timeout=10)
    balance = bank.ask("ann", "balance")
    assert bank.look("ben") == 0
    assert bank.look("ben") == 0
    assert not balance.done()
    hold.open()
    assert transferred.get(timeout=10) is None
    assert balance.get(timeout=10) == -5


def test_a_told_message_that_rested_on_a_failed_commit_is_not_lost(bank: Any) -> None:
    bank.account("ann").ask(["deposit", 1])
    bank.commit.close(fail)
    bank.account("ann").tell(["deposit", 5])
    bank.commit.wait()
    bank.account("ann").tell(["deposit", 6])
    bank.account("ann").tell(["forward", "ben", ["deposit", 7]])
    assert bank.look("cid") == 0
    bank.commit.open()
    amounts = wait_for_version(bank, "account-ann", 3)
    assert sorted(amounts) == [1, 5, 6]
    assert wait_for_version(bank, "account-ben", 1) == [7]


def wait_for_version(bank: Any, stream: str, version: int) -> list[int]:
    """Amounts of the stream's events, once there are ``version`` of them."""
    there = threading.Event()

    def look(_: object) -> None:
        if len(bank.store.read(stream)) >= version:
            there.set()

    end = bank.store.subscribe(look)
    look(None)
    assert there.wait(20)
    end()
    types = bank.parts.types
    return [types.decode(event).amount for event in bank.store.read(stream)]
