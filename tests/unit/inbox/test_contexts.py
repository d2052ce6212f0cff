"""A context crosses the inbox, and stands in the events of the process that owns the store."""

from __future__ import annotations

from typing import Any

import pytest

from indelible import Context, step
from indelible.api.facade import access_to
from indelible.errors import RefusedError
from indelible.remote.remote_actors import InboxRemoteActors
from unit.inbox.counters import TWO
from unit.inbox.pairs import Pair

INPUT = {"text": "hello"}
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
FULL = {
    "by": "ada",
    "why": "Miete, März",
    "tenant": "acme",
    "correlation_id": "req-1",
    "causation_id": "queue/7",
    "traceparent": PARENT,
    "tracestate": "a=1",
    "agent": "bot",
}
GIVEN = Context("req-1", "queue/7", "ada", "acme", "Miete, März", PARENT, "a=1", "bot")


def test_an_actor_elsewhere_is_asked_and_told_in_a_context(pair: Pair) -> None:
    counter = pair.client.actor("counter", "c")
    with pair.client.context(**FULL):
        counter.ask(1)
        counter.tell(2)
    counter.ask(3, by="ben")
    counter.ask(4)
    counter.ask(5, message_id="m-1")
    assert [event.context for event in counter.events()] == [
        GIVEN,
        GIVEN,
        Context("c", principal="ben"),
        Context("c"),
        Context("c", "m-1"),
    ]


def test_a_run_elsewhere_inherits_what_its_start_was_given(pair: Pair) -> None:
    with pair.client.context(**FULL):
        run = pair.client.workflow_agent("a").start(TWO, run_id="r", input=INPUT)
    run.result(20)
    first, *later = [event.context for event in run.events()]
    assert first == GIVEN
    assert len(later) == 3
    assert {context.causation_id for context in later} == {""}
    assert {context.reason for context in later} == {"Miete, März"}


def test_a_retry_of_a_message_is_the_same_message_whatever_its_context(pair: Pair) -> None:
    counter = pair.client.actor("counter", "c")
    assert counter.ask(1, message_id="m-1", by="ada") == 1
    assert counter.ask(1, message_id="m-1", by="ben") == 1
    assert [event.context for event in counter.events()] == [Context("c", "m-1", "ada")]


def test_what_no_caller_may_say_is_refused_before_it_is_sent(pair: Pair) -> None:
    with pytest.raises(RefusedError, match=r"^by "):
        pair.client.actor("counter", "c").tell(1, by="a\0b")
    assert pair.client.actor("counter", "c").events() == []


def test_actors_of_one_process_reach_those_of_another_in_a_context(pair: Pair) -> None:
    parts = access_to(pair.client).parts
    others = InboxRemoteActors(parts.inbox_client, parts.host)
    others.tell("counter-c", 1, GIVEN)
    assert others.ask("counter-c", 2, GIVEN).get(timeout=20) == 3
    events = pair.client.actor("counter", "c").events()
    assert [event.context for event in events] == [GIVEN, GIVEN]


def test_a_step_that_asks_through_a_client_is_the_cause(closed_pair: Pair) -> None:
    pair = closed_pair

    @step("ask")
    def ask(context: Any) -> Any:
        return pair.client.actor("counter", "c").ask(1)

    pair.owner.register_step("ask", ask)
    pair.open()
    one = {"name": "one", "steps": [{"name": "only", "type": "ask"}]}
    run = pair.client.workflow_agent("shop").start(one, run_id="r", by="ada")
    assert run.result(30)["result"] == {"only": 1}
    [event] = pair.client.actor("counter", "c").events()
    assert event.context == Context("r", "run-r/only", "ada", agent="shop")
