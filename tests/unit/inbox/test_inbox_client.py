"""The asking side: everything that can be asked of a run or an actor, from another process."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from typing import Any

import pytest

from indelible import ActorSystem, step
from indelible.actors.workflow.run_messages import Describe
from indelible.api.facade import access_to
from indelible.errors import (
    ActorFailedError,
    AskTimeoutError,
    DefinitionError,
    NobodyAnswersError,
    PayloadTooLargeError,
    RefusedError,
    RunExistsError,
    StoreNotFoundError,
    StoreReadOnlyError,
    StoreUnavailableError,
    SystemClosedError,
    ValueNotStorableError,
)
from indelible.events.sqlite import engines
from unit.inbox.counters import TWO, Add, Counter, Secret, Total
from unit.inbox.pairs import Pair

INPUT = {"text": "hello"}


def test_a_run_is_started_read_and_finished_without_owning_anything(pair: Pair) -> None:
    run = pair.client.workflow_agent("a").start(TWO, run_id="r", input=INPUT)
    assert run.result(20)["result"]["last"] == {"text": "hello"}
    assert run.status()["outcome"] == "success"
    assert run.status() == pair.owner.run("r").status()
    again = pair.client.workflow_agent("a").start(TWO, run_id="r", input=INPUT)
    assert len(again.events()) == len(run.events())


def test_the_definition_that_a_client_sends_is_the_one_that_an_owner_would_store(
    pair: Pair,
) -> None:
    pair.client.workflow_agent("a").start(TWO, run_id="r", input=INPUT)
    pair.owner.workflow_agent("a").start(TWO, run_id="r", input=INPUT)


def test_many_runs_are_started_at_once(pair: Pair) -> None:
    runs = pair.client.workflow_agent("a").start_many([(None, INPUT)] * 50, TWO)
    assert {run.result(30)["status"] for run in runs} == {"success"}


def test_async_callers_ask_without_blocking_their_loop(pair: Pair) -> None:
    async def ask() -> Any:
        agent = pair.client.workflow_agent("a")
        run = await agent.start_async(TWO, input=INPUT)
        counter = pair.client.actor("counter", "c")
        await counter.tell_async(3)
        total = await counter.ask_async(4)
        outcome = await run.result_async(20)
        return outcome["status"], total

    assert asyncio.run(ask()) == ("success", 7)


def test_errors_are_those_that_an_owner_gets(pair: Pair) -> None:
    agent = pair.client.workflow_agent("a")
    agent.start(TWO, run_id="r", input=INPUT)
    with pytest.raises(RunExistsError) as exists:
        agent.start(TWO, run_id="r", input={"text": "other"})
    assert exists.value.differs == ("input",)
    with pytest.raises(DefinitionError, match="unknown step type 'nope'") as definition:
        agent.start({"name": "x", "steps": [{"name": "a", "type": "nope"}]})
    assert definition.value.problems[0].path == "steps[0].type"
    with pytest.raises(DefinitionError):
        agent.start(TWO, run_id="s")  # the input lacks what the definition refers to
    counter = pair.client.actor("counter", "c")
    with pytest.raises(RefusedError, match="not today") as refused:
        counter.ask("refuse")
    assert refused.value.__dict__["total"] == 0
    with pytest.raises(ActorFailedError, match="ZeroDivisionError"):
        counter.ask("fail")
    assert [head.stream for head in pair.client.store.heads("run")] == ["run-r"]


def test_messages_and_replies_are_values_or_types_that_the_decider_lists(pair: Pair) -> None:
    counter = pair.client.actor("counter", "c")
    assert counter.ask(2) == 2
    assert counter.ask(Add(3)) == Total(5)
    counter.tell(Add(1))
    assert counter.ask("typed total") == Total(6)
    assert counter.state() == 6
    with pytest.raises(ValueNotStorableError):
        counter.ask(Secret(1))
    with pytest.raises(ValueNotStorableError):
        counter.ask((1, 2))
    with pytest.raises(PayloadTooLargeError):
        counter.ask("x" * 5_000_000)
    assert len(counter.events()) == 3


@pytest.fixture
def cut_off(closed_pair: Pair) -> Pair:
    """A pair whose store has run r, whose only step was cut off, and asks what became of it."""
    began, go_on = threading.Event(), threading.Event()

    @step("gate")
    def gate(context: Any) -> None:
        began.set()
        go_on.wait(30)

    asking = {
        "name": "asking",
        "steps": [{"name": "once", "type": "gate", "on_unknown_outcome": "ask"}],
    }
    with ActorSystem(closed_pair.url, steps=[gate], drain=0) as system:
        system.workflow_agent("a").start(asking, run_id="r")
        assert began.wait(20)
    go_on.set()
    return closed_pair


def gate_again(context: Any) -> str:
    return "done"


def test_a_step_of_unknown_outcome_is_resolved_from_elsewhere(cut_off: Pair) -> None:
    cut_off.owner.register_step("gate", gate_again)
    cut_off.open()
    run = cut_off.client.run("r")
    with pytest.raises(RefusedError, match="'other'"):
        run.resolve_step("other", "fail", by="me")
    run.resolve_step("once", "complete", by="me", result=[1])
    assert run.result(20)["result"] == {"once": [1]}


def test_what_a_run_waits_for_is_asked_of_the_process_that_executes_it(cut_off: Pair) -> None:
    cut_off.open()
    run = cut_off.client.run("r")
    [waits] = run.status()["waiting_for"]
    assert "'gate' is not registered" in waits
    cut_off.owner.register_step("gate", gate_again)
    run.resolve_step("once", "retry", by="me")
    assert run.result(20)["result"] == {"once": "done"}


def test_a_status_without_an_answer_is_what_the_log_has(
    cut_off: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_off.open()
    monkeypatch.setattr("indelible.api.run_handle._DESCRIBE_TIMEOUT", 0.05)
    access_to(cut_off.owner).parts.inbox_worker.stop()
    status = cut_off.client.run("r").status()
    assert (status["state"], status["waiting_for"]) == ("running", [])


def test_without_an_owner_the_error_says_what_to_do(closed_pair: Pair) -> None:
    with closed_pair.owner:
        pass
    with closed_pair.client as client:
        with pytest.raises(NobodyAnswersError, match="indelible serve"):
            client.actor("counter", "c").ask(1, timeout=0.05)
        client.actor("counter", "d").tell(1)  # it is durable, and waits for an owner
    with closed_pair.owner as owner:
        assert owner.actor("counter", "d").ask("total", message_id="after it") == 1


def test_an_owner_that_does_not_answer_in_time_may_still_act(pair: Pair) -> None:
    access_to(pair.owner).parts.inbox_worker.stop()
    with pytest.raises(AskTimeoutError) as caught:
        pair.client.actor("counter", "c").ask(1, timeout=0.05)
    assert type(caught.value) is AskTimeoutError


@pytest.mark.parametrize("each_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("released", [True, False])
def test_a_client_waits_for_the_lock_of_another_program_until_its_time_is_over(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, *, released: bool
) -> None:
    monkeypatch.setattr(engines, "BUSY_SECONDS", 0.01)
    other = sqlite3.connect(pair.url.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    counter = pair.client.actor("counter", "c")
    future = access_to(pair.client).send("counter-c", 1, timeout=30 if released else 0.1)
    if released:
        other.execute("ROLLBACK")
        assert future.get(timeout=30) == 1
    else:
        with pytest.raises(StoreUnavailableError, match="another program"):
            future.get(timeout=30)
        other.execute("ROLLBACK")
    other.close()
    assert counter.ask(1) == 1 + released


@pytest.mark.parametrize("each_url", ["sqlite"], indirect=True)
def test_an_answer_that_could_not_be_read_is_read_again(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox = pair.client.store.inbox
    answers = inbox.answers
    failed: list[Any] = []

    def fail_once(message_ids: Any) -> Any:
        found = answers(message_ids)
        if found and not failed:
            failed.append(found)
            raise StoreUnavailableError("the disk is full")
        return found

    monkeypatch.setattr(inbox, "answers", fail_once)
    assert pair.client.actor("counter", "c").ask(1, timeout=20) == 1
    assert failed


def test_a_client_creates_nothing_and_migrates_nothing(tmp_path: Any) -> None:
    url = f"sqlite:///{tmp_path}/no.db"
    with pytest.raises(StoreNotFoundError):
        ActorSystem(url, mode="client").open()
    with pytest.raises(StoreNotFoundError):
        ActorSystem("memory://", mode="client").open()
    assert list(tmp_path.iterdir()) == []


def test_a_reader_asks_nobody_and_a_client_owns_nothing(pair: Pair) -> None:
    with ActorSystem(pair.url, mode="read", actors=[Counter()]) as reader:
        with pytest.raises(StoreReadOnlyError):
            reader.actor("counter", "c").ask(1)
        with pytest.raises(StoreReadOnlyError):
            _ = reader.store.inbox
    with pytest.raises(StoreReadOnlyError, match="client"):
        _ = access_to(pair.client).directory
    with pytest.raises(StoreReadOnlyError):
        pair.client.store.append("run-x", [], expected=0)
    assert pair.client.store.owned() == frozenset()
    assert pair.client.store.state == "reading"


def test_a_closing_client_tells_those_who_wait(pair: Pair) -> None:
    access_to(pair.owner).parts.inbox_worker.stop()
    future = access_to(pair.client).send("counter-c", 1)
    pair.client.close()
    with pytest.raises(SystemClosedError):
        future.get(timeout=20)
    with pytest.raises(SystemClosedError):
        pair.client.actor("counter", "c").ask(1)


def test_the_owner_is_named_for_people(closed_pair: Pair) -> None:
    with closed_pair.owner as owner, closed_pair.client as client:
        [process] = client.store.owners()
        assert process.pid > 0
        assert owner.store.owners() == client.store.owners()
    with closed_pair.client as client:
        assert list(client.store.owners()) == []


def test_a_query_leaves_nothing_behind(pair: Pair) -> None:
    run = pair.client.workflow_agent("a").start(TWO, run_id="r", input=INPUT)
    run.result(20)
    access_to(pair.client).inbox_client.ask("run-r", Describe(), 20).get(timeout=25)
    pair.client.close()  # the inbox client has done all that it does
    with pair.owner.store.read_views() as connection:
        kinds = connection.exec_driver_sql("SELECT kind FROM inbox").scalars().all()
    assert kinds == ["run.start"]


def test_the_id_of_an_effect_is_no_id_for_an_asker(pair: Pair) -> None:
    for system in (pair.owner, pair.client):
        with pytest.raises(RefusedError, match="may not begin with 'effect:'"):
            system.actor("counter", "c").ask(1, message_id="effect:note-a/1/0")
    assert pair.client.actor("counter", "c").ask(1, message_id="note-a/1/0") == 1
