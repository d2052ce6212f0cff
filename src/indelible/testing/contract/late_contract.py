"""The contract of late answers: a command is handled by one append, and answered by a later one."""
# ruff: noqa: D102 - tests: their names say what they check

from __future__ import annotations

from typing import Any

import pytest

from indelible.clock import ManualClock
from indelible.errors import StoreUnavailableError, WrongExpectedVersionError
from indelible.events.inbox.inbox import REMEMBERED, TEXT_LIMIT, Command
from indelible.events.inbox.late_answers import AwaitsReply, Late, LateAnswer
from indelible.events.store import Append, EventStore
from indelible.testing.contract.builders import Outcomes, some_events
from indelible.testing.contract.sent_contract import SentContract
from indelible.testing.faults import Fault

_HOUR = 3_600
"""Seconds: long, because a database's own clock advances while a test runs on a busy machine."""

Part = tuple[str, int, int, list[Late]]
"""Of a group: stream, expected version, number of events, late entries."""


def ask(store: EventStore, *message_ids: str, stream: str = "desk-1", timeout: int = 0) -> None:
    """Submit commands for a stream of shard 0."""
    store.inbox.submit(
        [Command(id_, 0, stream, "actor.message", b"b", "a test", timeout) for id_ in message_ids]
    )


def write(store: EventStore, *parts: Part) -> list[type[BaseException] | None]:
    """Append ``parts`` as one group; the classes of their errors."""
    outcomes = Outcomes()
    for stream, expected, count, late in parts:
        events = some_events(count)
        store.submit(Append(stream, expected, events, outcomes.on_done, late=late))
    store.lead()
    return [None if error is None else type(error) for error in outcomes.errors()]


def delivered(store: EventStore) -> list[str]:
    """The ids of the commands that an owner would handle."""
    seqs = store.inbox.waiting({0}, 100)
    found = [one.command.message_id for one in store.inbox.take(seqs)]
    assert found == [one.command.message_id for one in store.inbox.first({0}, 100)]
    return found


class LateContract(SentContract):
    """A mixin for the contract of the event store; uses its fixtures."""

    def test_what_awaits_a_late_answer_is_not_delivered_again(self, store: EventStore) -> None:
        ask(store, "a", "b", "c")
        assert write(store, ("desk-1", 0, 1, [AwaitsReply("a", "k"), AwaitsReply("c", "k")])) == [
            None
        ]
        assert delivered(store) == ["b"]
        assert store.inbox.answers(["a", "b", "c"]) == {}
        counts = [store.inbox.awaiting("desk-1", limit) for limit in (1, 2, 3)]
        assert counts == [1, 2, 2]
        assert store.inbox.awaiting("desk-2", 5) == 0
        assert write(store, ("desk-1", 1, 1, [LateAnswer("k", b"yes")])) == [None]
        assert store.inbox.answers(["a", "b", "c"]) == {"a": b"yes", "c": b"yes"}
        assert store.inbox.awaiting("desk-1", 5) == 0
        assert store.verify() == 2

    @pytest.mark.parametrize("others", [[], [LateAnswer("nobody", b"no")]])
    def test_a_late_answer_is_for_one_stream_and_one_key(
        self, store: EventStore, others: list[Late]
    ) -> None:
        ask(store, "a", "b")
        ask(store, "c", stream="desk-2")
        first: list[Late] = [AwaitsReply("a", "k"), AwaitsReply("b", "other")]
        second: list[Late] = [AwaitsReply("c", "k")]
        assert write(store, ("desk-1", 0, 1, first), ("desk-2", 0, 1, second)) == [None, None]
        answers: list[Late] = [LateAnswer("k", b"yes"), *others]
        assert write(store, ("desk-1", 1, 1, answers)) == [None]
        assert store.inbox.answers(["a", "b", "c"]) == {"a": b"yes"}
        assert write(store, ("desk-2", 1, 1, answers), ("desk-1", 2, 1, [])) == [None, None]
        assert store.inbox.answers(["a", "b", "c"]) == {"a": b"yes", "c": b"yes"}
        assert delivered(store) == []

    @pytest.mark.parametrize("appends", [1, 5])
    def test_the_order_of_the_decisions_counts_within_a_group(
        self, store: EventStore, appends: int
    ) -> None:
        ask(store, "before", "first", "second", "third")
        write(store, ("desk-1", 0, 1, [AwaitsReply("before", "k")]))
        entries: list[Late] = [
            AwaitsReply("first", "k"),
            LateAnswer("k", b"1"),
            AwaitsReply("second", "k"),
            LateAnswer("k", b"2"),
            AwaitsReply("third", "k"),
        ]
        parts: list[Part] = [("desk-1", 1 + n, 1, [entry]) for n, entry in enumerate(entries)]
        write(store, *(parts if appends == 5 else [("desk-1", 1, 1, entries)]))
        found = store.inbox.answers(["before", "first", "second", "third"])
        assert found == {"before": b"1", "first": b"1", "second": b"2"}
        assert store.inbox.awaiting("desk-1", 9) == 1

    def test_what_was_answered_meanwhile_keeps_its_answer(self, store: EventStore) -> None:
        ask(store, "a", "b")
        store.inbox.answer([("a", b"first")])
        write(store, ("desk-1", 0, 1, [AwaitsReply("a", "k"), AwaitsReply("b", "k")]))
        store.inbox.answer([("b", b"given up")])
        write(store, ("desk-1", 1, 1, [LateAnswer("k", b"late")]))
        assert store.inbox.answers(["a", "b"]) == {"a": b"first", "b": b"given up"}

    @pytest.mark.parametrize("number", [3, 1_001])
    def test_one_answer_may_be_for_many(self, store: EventStore, number: int) -> None:
        names = [f"m{n}" for n in range(number)]
        ask(store, *names)
        write(store, ("desk-1", 0, 1, [AwaitsReply(name, "k") for name in names]))
        assert delivered(store) == []
        keys: list[Late] = [LateAnswer(f"none {n}", b"no") for n in range(number)]
        write(store, ("desk-1", 1, 1, [*keys, LateAnswer("k", b"yes")]))
        assert store.inbox.answers(names) == dict.fromkeys(names, b"yes")

    def test_an_append_that_fails_changes_nothing(
        self, store: EventStore, before_commit: Fault
    ) -> None:
        ask(store, "a", "b")
        write(store, ("desk-1", 0, 1, [AwaitsReply("a", "k")]))
        late: list[Late] = [AwaitsReply("b", "k"), LateAnswer("k", b"no")]
        assert write(store, ("desk-1", 7, 1, late)) == [WrongExpectedVersionError]
        before_commit.arm()
        assert write(store, ("desk-1", 1, 1, late)) == [StoreUnavailableError]
        assert delivered(store) == ["b"]
        assert store.inbox.answers(["a", "b"]) == {}

    @pytest.mark.parametrize("version", [0, 2])
    def test_late_entries_need_no_event(self, store: EventStore, version: int) -> None:
        ask(store, "a")
        if version:
            write(store, ("desk-1", 0, version, []))
        groups: list[int] = []
        end = store.subscribe(lambda events: groups.append(len(events)))
        positions, head = store.positions(), store.head("desk-1")
        for late in (AwaitsReply("a", "k"), LateAnswer("k", b"yes")):
            assert write(store, ("desk-1", version + 1, 0, [late])) == [WrongExpectedVersionError]
            assert store.inbox.answers(["a"]) == {}
            assert write(store, ("desk-1", version, 0, [late])) == [None]
            assert delivered(store) == []
        assert store.inbox.answers(["a"]) == {"a": b"yes"}
        assert (store.positions(), store.head("desk-1")) == (positions, head)
        assert groups == []
        end()
        assert write(store, ("desk-1", version, 0, [])) == [ValueError]
        assert write(store, ("desk-1", version, 1, [])) == [None]
        assert store.verify() == version + 1

    @pytest.mark.parametrize(
        "bad",
        [
            *(AwaitsReply("a", key) for key in ("", "a\0b", "\ud800", "k" * (TEXT_LIMIT + 1))),
            *(LateAnswer(key, b"x") for key in ("", "a\0b")),
            LateAnswer("k", "text"),  # type: ignore[arg-type]
        ],
    )
    def test_what_no_database_takes_fails_alone(self, store: EventStore, bad: Any) -> None:
        ask(store, "a", "b")
        parts: list[Part] = [("desk-1", 0, 1, [bad]), ("desk-2", 0, 1, [AwaitsReply("b", "k")])]
        assert write(store, *parts) == [None, ValueError]
        assert delivered(store) == ["a"]

    def test_what_waits_is_not_forgotten_and_is_abandoned_a_week_after_its_time(
        self, store: EventStore, clock: ManualClock
    ) -> None:
        ask(store, "a", timeout=2 * _HOUR * 1_000_000)
        ask(store, "without a time-out")
        names = ("a", "without a time-out")
        write(store, ("desk-1", 0, 1, [AwaitsReply(name, "k") for name in names]))
        self.pass_time(store, clock, REMEMBERED / 1_000_000 + _HOUR)
        assert list(store.inbox.abandoned({0}, 9)) == []
        self.pass_time(store, clock, _HOUR + 1)
        assert list(store.inbox.abandoned({1}, 9)) == []
        [found] = store.inbox.abandoned({0}, 9)
        assert (found.command.message_id, found.late) == ("a", True)
        assert store.inbox.forget(9) == 0
        write(store, ("desk-1", 1, 1, [LateAnswer("k", b"yes")]))
        assert store.inbox.answers(names) == dict.fromkeys(names, b"yes")
        assert list(store.inbox.abandoned({0}, 9)) == []
