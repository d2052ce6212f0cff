"""A user's own event-sourced actor, through the public API (R8)."""

from __future__ import annotations

from typing import Any

import pytest

from indelible import ActorSystem
from indelible.clock import ManualClock
from indelible.errors import (
    ActorQuarantinedError,
    RefusedError,
    StoreReadOnlyError,
    SystemClosedError,
    WrongDecisionError,
)


def test_an_actor_answers_and_keeps_what_it_was_told(bank: Any) -> None:
    ann = bank.account("ann")
    assert ann.ask(["deposit", 5]) == 5
    ann.tell(["deposit", 6])
    assert ann.ask(["balance"]) == 11
    assert ann.state() == {"balance": 11, "deposits": 2}
    assert ann.state(as_of=1) == {"balance": 5, "deposits": 1}
    assert [event.type for event in ann.events()] == ["account.deposited"] * 2
    assert repr(ann) == "<ActorHandle 'account-ann'>"


def test_an_actor_without_events_is_empty(bank: Any) -> None:
    ann = bank.account("ann")
    assert (ann.ask(["balance"]), ann.state()["balance"], ann.events()) == (0, 0, [])
    assert bank.store.head("account-ann") is None


def test_a_list_of_events_is_a_decision_too(bank: Any) -> None:
    ann = bank.account("ann")
    ann.ask(["deposit", 5])
    assert ann.ask(["withdraw", 2]) is None
    assert ann.state()["balance"] == 3


def test_a_refusal_leaves_the_actor_as_it_was(bank: Any) -> None:
    ann = bank.account("ann")
    ann.ask(["deposit", 5])
    live = bank.parts.directory.live("account-ann")
    state = live.state
    with pytest.raises(RefusedError, match="not enough"):
        ann.ask(["withdraw", 9])
    assert live.state is state
    assert ann.ask(["balance"]) == 5


@pytest.mark.parametrize(
    "error",
    [ValueError("bad"), SystemExit(3), KeyboardInterrupt(), GeneratorExit()],
    ids=lambda error: type(error).__name__,
)
def test_a_crash_in_decide_reaches_the_asker_and_no_sibling(bank: Any, error: Any) -> None:
    bank.account("ann").ask(["deposit", 5])
    bank.account("ben").ask(["deposit", 6])
    ben = bank.parts.directory.live("account-ben").state
    with pytest.raises(type(error)):
        bank.ask("ann", "raise", error).get(timeout=10)
    assert bank.look("ann") == 5
    assert bank.look("ben") == 6
    assert bank.parts.directory.live("account-ben").state is ben


@pytest.mark.parametrize("message", [["spoil"], ["no", "events"], 7, None, [3]])
def test_a_crash_that_has_touched_the_state_leaves_nothing_behind(bank: Any, message: Any) -> None:
    ann = bank.account("ann")
    ann.ask(["deposit", 5])
    with pytest.raises((TypeError, ValueError, AttributeError, WrongDecisionError)):
        ann.ask(message, timeout=10)
    assert ann.ask(["balance"]) == 5
    assert ann.state() == {"balance": 5, "deposits": 1}


def test_what_stands_beside_a_crash_in_the_mailbox_is_decided_all_the_same(bank: Any) -> None:
    ann = bank.account("ann")
    ann.ask(["deposit", 5])
    bank.decider.hold.close()
    held = bank.ask("ann", "held balance")
    bank.decider.hold.wait()
    before = bank.ask("ann", "deposit", 100)
    bad = bank.ask("ann", "spoil")
    after = bank.ask("ann", "deposit", 7)
    bank.decider.hold.open()
    assert held.get(timeout=10) == 5
    assert before.get(timeout=10) == 105
    with pytest.raises(ValueError, match="nothing was deposited"):
        bad.get(timeout=10)
    assert after.get(timeout=10) == 112
    assert bank.store.head("account-ann").status == "rich"


def test_the_head_says_what_the_state_says_also_when_the_next_message_crashes(bank: Any) -> None:
    bank.account("ann").ask(["deposit", 5])
    bank.decider.hold.close()
    bank.ask("ann", "held balance")
    bank.decider.hold.wait()
    rich = bank.ask("ann", "deposit", 100)
    bank.ask("ann", "raise", ValueError("bad"))
    bank.decider.hold.open()
    assert rich.get(timeout=10) == 105
    assert bank.store.head("account-ann").status == "rich"


def test_a_told_message_that_crashes_the_actor_is_a_dead_letter(bank: Any) -> None:
    bank.account("ann").tell(["fail", "bad"])
    assert bank.look("ann") == 0
    letter = bank.parts.host.dead_letters[-1]
    assert (letter.stream, letter.message[0]) == ("account-ann", "fail")
    assert "bad" in letter.why


def test_an_actor_that_crashes_too_often_is_set_aside_until_the_next_open(bank: Any) -> None:
    ann = bank.account("ann")
    ann.ask(["deposit", 5])
    for _ in range(11):
        with pytest.raises(ValueError, match="bad"):
            ann.ask(["fail", "bad"], timeout=10)
    with pytest.raises(ActorQuarantinedError, match="failed 11 times within 60 s") as aside:
        ann.ask(["balance"], timeout=10)
    assert aside.value.actor == "account-ann"  # type: ignore[attr-defined]
    ann.tell(["deposit", 6])
    assert bank.look("ben") == 0
    bank.reopen()
    assert bank.look("ann") == 5


def test_crashes_far_apart_do_not_set_an_actor_aside(bank: Any) -> None:
    clock = ManualClock()
    with ActorSystem("memory://", actors=[type(bank.decider)()], clock=clock) as system:
        ann = system.actor("account", "ann")
        for _ in range(30):
            with pytest.raises(ValueError, match="bad"):
                ann.ask(["fail", "bad"], timeout=10)
            clock.advance(7)
        assert ann.ask(["balance"], timeout=10) == 0


def test_an_error_in_unfinished_reaches_the_asker(bank: Any, monkeypatch: Any) -> None:
    def broken(state: Any) -> Any:
        raise SystemExit("unfinished")

    bank.account("ann").ask(["deposit", 5])
    monkeypatch.setattr(bank.decider, "unfinished", broken)
    with pytest.raises(SystemExit):
        bank.account("ann").ask(["deposit", 5], timeout=10)
    monkeypatch.undo()
    assert bank.look("ann") == 5
    assert bank.account("ann").ask(["deposit", 5]) == 10


def test_state_is_a_fold_of_the_events_live_and_after_reopening(bank: Any) -> None:
    for amount in range(1, 40):
        bank.account("ann").tell(["deposit", amount])
    assert bank.look("ann") == sum(range(1, 40))
    live = dict(bank.parts.directory.live("account-ann").state)
    assert live == bank.account("ann").state()
    bank.reopen()
    assert bank.look("ann") == live["balance"]
    assert bank.parts.directory.live("account-ann").state == live


def test_a_closed_system_says_so(bank: Any) -> None:
    ann = bank.account("ann")
    bank.system.close()
    for call in (
        lambda: ann.ask(["balance"]),
        lambda: ann.tell(["deposit", 1]),
        ann.state,
        ann.events,
    ):
        with pytest.raises(SystemClosedError):
            call()


def test_a_reader_sees_actors_and_cannot_speak_to_them(bank: Any, tmp_path: Any) -> None:
    url = f"sqlite:///{tmp_path}/bank.db"
    decider = type(bank.decider)()
    with ActorSystem(url, actors=[decider]) as system:
        system.actor("account", "ann").ask(["deposit", 5])
        with ActorSystem(url, actors=[decider], mode="read") as reader:
            ann = reader.actor("account", "ann")
            assert ann.state()["balance"] == 5
            assert len(ann.events()) == 1
            with pytest.raises(StoreReadOnlyError):
                ann.ask(["balance"])
            with pytest.raises(StoreReadOnlyError):
                ann.tell(["deposit", 1])


@pytest.mark.parametrize("name", ["", "x" * 201, "a\nb", 7, None])
def test_an_id_that_cannot_name_a_stream_is_refused(bank: Any, name: Any) -> None:
    with pytest.raises(RefusedError, match="1 to 200 printable"):
        bank.account(name)


def test_a_category_that_was_not_given_is_named(bank: Any) -> None:
    with pytest.raises(RefusedError, match="no actor category 'savings'; there are account"):
        bank.system.actor("savings", "ann")
