"""An actor is an identity: its mailbox, its place in memory and its askers outlive one object."""

from __future__ import annotations

import asyncio
import threading
from itertools import chain
from typing import Any

import pytest

from indelible import ActorSystem
from indelible.actors.durable import mailbox
from indelible.actors.durable.commit import in_flight
from indelible.actors.durable.envelope import Envelope
from indelible.api.facade import access_to
from indelible.errors import (
    ActorStoppedError,
    AskTimeoutError,
    BlockingCallError,
    IndelibleError,
    MailboxFullError,
)
from indelible.testing.hold import Hold


def test_an_idle_actor_leaves_memory_and_returns_as_it_was(bank: Any) -> None:
    directory = bank.parts.directory
    bank.account("ann").ask(["deposit", 5])
    assert directory.passivate(directory.live("account-ann"))
    assert directory.live("account-ann") is None
    assert len(directory) == 0
    assert bank.look("ann") == 5
    assert bank.account("ann").ask(["deposit", 1]) == 6


def test_an_actor_with_a_commit_under_way_stays(bank: Any) -> None:
    directory = bank.parts.directory
    bank.commit.close()
    deposit = bank.ask("ann", "deposit", 5)
    bank.commit.wait()
    assert not directory.passivate(directory.live("account-ann"))
    bank.commit.open()
    assert deposit.get(timeout=10) == 5


def test_an_actor_whose_decider_says_that_it_does_not_rest_stays(bank: Any) -> None:
    directory = bank.parts.directory
    bank.account("ann").ask(["deposit", 5])
    bank.decider.rests = False
    assert not directory.passivate(directory.live("account-ann"))
    assert bank.look("ann") == 5


def test_an_error_in_at_rest_keeps_the_actor_and_its_mailbox(bank: Any, monkeypatch: Any) -> None:
    directory = bank.parts.directory
    bank.account("ann").ask(["deposit", 5])
    monkeypatch.setattr(bank.decider, "at_rest", lambda _: 1 / 0)
    assert not directory.passivate(directory.live("account-ann"))
    assert bank.look("ann") == 5


def test_no_message_is_lost_while_actors_come_and_go(
    bank: Any, together: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(mailbox, "COMMANDS", 20)  # 8 messages wait at most
    directory = bank.parts.directory
    done = threading.Event()

    def push_out() -> None:
        while not done.is_set():
            for actor in directory:
                directory.passivate(actor)

    def speak(offset: int) -> int:
        ann, answers = bank.account("ann"), 0
        try:
            for _ in range(60):
                ann.tell(["deposit", 1])
                answers += ann.ask(["deposit", 1], timeout=20) > 0
        finally:
            if offset == 0:
                done.set()
        return answers

    results = together([push_out, *(lambda i=i: speak(i) for i in range(4))])
    assert results == [None, 60, 60, 60, 60]
    assert bank.look("ann") == 480
    versions = [event.version for event in bank.store.read("account-ann")]
    assert versions == list(range(1, 481))


def test_a_message_that_meets_a_mailbox_being_closed_waits_for_the_successor(
    bank: Any, together: Any, monkeypatch: Any
) -> None:
    hold, met = Hold(), threading.Event()
    close, put_command = mailbox.DurableMailbox.close, mailbox.DurableMailbox.put_command

    def slowly(self: Any) -> Any:
        left = close(self)
        hold()
        return left

    def noticed(self: Any, *args: Any) -> bool:
        taken = put_command(self, *args)
        if not taken:
            met.set()
        return taken

    def let_go() -> None:
        assert met.wait(10)
        hold.open()

    monkeypatch.setattr(mailbox, "COMMANDS", 5)
    bank.account("ann").ask(["deposit", 5])
    ann = bank.parts.directory.live("account-ann")
    monkeypatch.setattr(mailbox.DurableMailbox, "close", slowly)
    monkeypatch.setattr(mailbox.DurableMailbox, "put_command", noticed)
    hold.close()
    passivation = threading.Thread(target=bank.parts.directory.passivate, args=(ann,))
    passivation.start()
    hold.wait()
    assert together([lambda: bank.look("ann"), let_go]) == [5, None]
    passivation.join(10)


def test_messages_that_come_while_an_actor_leaves_are_handled_by_its_successor(
    bank: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bank.account("ann").ask(["deposit", 5])
    directory = bank.parts.directory
    ann = directory.live("account-ann")
    answers: list[Any] = []

    def rests(_: Any) -> bool:  # asked after the mailbox was found empty, before it is closed
        if not answers:
            answers.append(bank.ask("ann", "deposit", 1))
            bank.account("ann").tell(["deposit", 10])
            ann.deliver(Envelope(("deposit", 100)))  # no command: a result or a timer comes so
            answers.append(bank.ask("ann", "balance"))
        return True

    monkeypatch.setattr(bank.decider, "at_rest", rests)
    assert directory.passivate(ann)
    assert [answer.get(timeout=50) for answer in answers] == [6, 116]
    assert directory.live("account-ann") is not ann
    assert bank.account("ann").state() == {"balance": 116, "deposits": 4}


def test_an_actor_handles_no_more_than_64_messages_before_others_have_their_turn(
    bank: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    appended: list[int] = []
    submit = bank.store.submit

    def note(append: Any) -> None:
        appended.append(len(append.events))
        submit(append)

    monkeypatch.setattr(bank.store, "submit", note)
    bank.decider.hold.close()
    first = bank.ask("ann", "held deposit", 1)
    bank.decider.hold.wait()
    rest = [bank.ask("ann", "deposit", 1) for _ in range(200)]
    bank.decider.hold.open()
    assert [future.get(timeout=50) for future in (first, *rest)] == list(range(1, 202))
    assert appended == [1, 64, 64, 64, 8]


def test_asks_from_many_threads_are_all_answered_in_one_order(bank: Any, together: Any) -> None:
    def speak() -> list[int]:
        return [bank.account("ann").ask(["deposit", 1], timeout=20) for _ in range(50)]

    results = together([speak] * 8)
    assert sorted(chain.from_iterable(results)) == list(range(1, 401))
    assert all(answers == sorted(answers) for answers in results)


def test_a_full_mailbox_refuses_commands_and_says_so(bank: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(mailbox, "COMMANDS", 100)
    bank.decider.hold.close()
    held = bank.ask("ann", "held balance")
    bank.decider.hold.wait()
    for _ in range(100):
        bank.account("ann").tell(["deposit", 1])
    with pytest.raises(MailboxFullError, match="100 commands waiting"):
        bank.account("ann").tell(["deposit", 1])
    with pytest.raises(MailboxFullError):
        bank.account("ann").ask(["balance"])
    bank.decider.hold.open()
    held.get(timeout=10)
    assert ask_when_there_is_room(bank, "ann") == 100


def test_a_stalled_disk_fills_the_mailbox_and_not_the_memory(bank: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(mailbox, "COMMANDS", 50)
    monkeypatch.setattr(in_flight, "MAX_IN_FLIGHT", 4)
    bank.commit.close()
    ann = bank.account("ann")
    ann.tell(["deposit", 1])
    bank.commit.wait()
    taken = 1

    def tell_one_after_the_other() -> None:
        nonlocal taken
        for _ in range(150):
            ann.tell(["deposit", 1])
            taken += 1
            assert bank.look("ben") == 0  # by then ann has had her turn

    with pytest.raises(MailboxFullError):
        tell_one_after_the_other()
    assert bank.parts.directory.live("account-ann").state["deposits"] < 20
    bank.commit.open()
    assert ask_when_there_is_room(bank, "ann") == taken


def ask_when_there_is_room(bank: Any, name: str) -> int:
    """The balance; every commit is an occasion to try again."""
    news = threading.Event()
    end = bank.store.subscribe(lambda _: news.set())
    try:
        while True:
            news.clear()
            try:
                return bank.look(name)  # type: ignore[no-any-return]
            except MailboxFullError:
                assert news.wait(10)
    finally:
        end()


def test_an_ask_has_a_deadline_and_may_still_happen(bank: Any) -> None:
    bank.commit.close()
    with pytest.raises(AskTimeoutError, match=r"did not answer within 0\.01 s"):
        bank.account("ann").ask(["deposit", 5], timeout=0.01)
    with pytest.raises(AskTimeoutError):
        bank.account("ann").ask(["deposit", 5], timeout=0)
    bank.commit.open()
    assert bank.look("ann") == 10


def test_a_guess_that_a_stream_is_new_costs_no_answer_when_it_is_wrong(bank: Any) -> None:
    directory = bank.parts.directory
    bank.account("ann").ask(["deposit", 5])
    directory.passivate(directory.live("account-ann"))
    bank.commit.close()
    bank.ask("ben", "deposit", 1)
    bank.commit.wait()
    asks = [directory.ask("account-ann", ("deposit", 6), presume_new=True)]
    asks.append(bank.ask("ann", "balance"))
    bank.account("ann").tell(["deposit", 7])
    asks.append(bank.ask("ann", "balance"))
    assert bank.look("cid") == 0
    bank.commit.open()
    assert [ask.get(timeout=10) for ask in asks] == [11, 11, 18]


def test_a_question_is_never_answered_from_a_guess(bank: Any) -> None:
    directory = bank.parts.directory
    bank.account("ann").ask(["deposit", 5])
    directory.passivate(directory.live("account-ann"))
    assert directory.ask("account-ann", ("balance",), presume_new=True).get(timeout=10) == 5


def test_who_asks_while_the_system_closes_gets_an_answer(bank: Any) -> None:
    bank.account("ann").ask(["deposit", 5])
    directory = bank.parts.directory
    bank.system.close()
    with pytest.raises(ActorStoppedError):
        directory.ask("account-ann", ("deposit", 5)).get(timeout=10)
    with pytest.raises(ActorStoppedError):
        directory.ask("account-ann", ("balance",)).get(timeout=10)
    with pytest.raises(ActorStoppedError):
        directory.ask("account-new", ("balance",)).get(timeout=10)


def test_every_ask_under_way_at_the_close_is_answered(bank: Any, together: Any) -> None:
    asks: list[Any] = []
    enough = threading.Event()

    def speak() -> None:
        for number in range(2_000):
            asks.append(bank.parts.directory.ask("account-ann", ("deposit", 1)))
            if number == 200:
                enough.set()

    def close() -> None:
        enough.wait(10)
        bank.system.close()

    together([speak, close])
    acknowledged = 0
    for ask in asks:
        try:
            ask.get(timeout=10)
        except IndelibleError:
            continue
        acknowledged += 1
    bank.system.open()
    assert bank.look("ann") >= acknowledged > 0


def test_async_twins_do_what_their_blocking_sisters_do(bank: Any) -> None:
    async def use() -> tuple[Any, ...]:
        ann = bank.account("ann")
        answers = await asyncio.gather(*(ann.ask_async(["deposit", 1]) for _ in range(30)))
        bank.commit.close()
        try:
            with pytest.raises(AskTimeoutError):
                await ann.ask_async(["deposit", 1], timeout=0.01)
        finally:
            bank.commit.open()
        balance = await ann.ask_async(["balance"])
        return sorted(answers), balance, await ann.state_async(), len(await ann.events_async())

    answers, balance, state, events = asyncio.run(use())
    assert answers == list(range(1, 31))
    assert (balance, state["balance"], events) == (31, 31, 31)


def test_blocking_calls_on_the_systems_own_loop_name_their_twins(bank: Any) -> None:
    refused: dict[str, str] = {}

    async def blocker(context: Any, step: Any) -> None:
        ann, run = bank.account("ann"), bank.system.workflow_agent("a")
        calls = {
            "ask": lambda: ann.ask(["balance"]),
            "state": ann.state,
            "events": ann.events,
            "start": lambda: run.start({}),
            "start_many": lambda: run.start_many([], {}),
            "execute_workflow": lambda: run.execute_workflow({}),
            "run": lambda: bank.system.run("r"),
            "caught_up": bank.system.caught_up,
            "rebuild": lambda: bank.system.rebuild("metrics"),
            "close": bank.system.close,
        }
        for name, call in calls.items():
            with pytest.raises(BlockingCallError) as error:
                call()
            refused[name] = str(error.value)

    bank.system.register_step("blocker", blocker)
    definition = {"name": "w", "steps": [{"name": "s", "type": "blocker"}]}
    outcome = bank.system.workflow_agent("a").execute_workflow(definition, timeout=20)
    assert outcome["error"] is None
    assert "await ask_async()" in refused["ask"]
    assert "await close_async()" in refused["close"]


def test_two_systems_in_one_process_know_nothing_of_each_other(bank: Any) -> None:
    with ActorSystem("memory://", actors=[type(bank.decider)()]) as other:
        bank.account("ann").ask(["deposit", 5])
        other.actor("account", "ann").ask(["deposit", 7])
        bank.system.close()
        assert other.actor("account", "ann").ask(["balance"]) == 7


def test_a_system_that_stands_still_holds_up_no_other(bank: Any) -> None:
    bank.commit.close()
    bank.decider.hold.close()
    committing = bank.ask("ann", "deposit", 5)
    bank.commit.wait()  # a commit that does not come back
    deciding = bank.ask("ben", "held balance")
    bank.decider.hold.wait()  # an actor that does not, either
    with ActorSystem("memory://", actors=[type(bank.decider)()]) as other:
        other.register_step("quick", lambda: "done")
        assert other.actor("account", "ann").ask(["deposit", 7], timeout=50) is not None
        directory = access_to(other).directory
        assert directory.passivate(directory.live("account-ann"))  # type: ignore[arg-type]
        assert other.actor("account", "ann").ask(["balance"], timeout=50) == 7
        definition = {"name": "w", "steps": [{"name": "s", "type": "quick"}]}
        outcome = other.workflow_agent("a").execute_workflow(definition, timeout=50)
        assert outcome["status"] == "success"
        assert other.health()["ready"]
    bank.commit.open()
    bank.decider.hold.open()
    assert committing.get(timeout=50) == 5
    assert deciding.get(timeout=50) == 0


def test_an_actor_is_known_to_be_stored_once_its_first_event_is_durable(bank: Any) -> None:
    assert bank.look("ann") == 0  # its stream was read, and is empty
    actor = bank.parts.directory.live("account-ann")
    bank.commit.close()
    deposit = bank.ask("ann", "deposit", 5)
    bank.commit.wait()
    assert not actor.is_stored
    bank.commit.open()
    assert deposit.get(timeout=10) == 5
    assert bank.look("ann") == 5  # so that the activation behind the commit is over
    assert actor.is_stored
    bank.reopen()
    assert bank.look("ann") == 5
    actor = bank.parts.directory.live("account-ann")
    assert actor.is_stored
    assert not vars(actor)  # all are slots
