"""The contract of the inbox: submitted once, answered once, remembered, forgotten."""
# ruff: noqa: D102 - tests: their names say what they check

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from indelible.clock import ManualClock
from indelible.errors import StoreUnavailableError, WrongExpectedVersionError
from indelible.events.inbox.inbox import REMEMBERED, Command
from indelible.events.store import Append, EventStore
from indelible.testing.contract.builders import Outcomes, some_event
from indelible.testing.faults import Fault

_HOUR = 3_600
"""Seconds: long, because a database's own clock advances while a test runs on a busy machine."""


def command(message_id: str, stream: str = "run-1", body: bytes = b"b", **more: Any) -> Command:
    """A command for a stream of shard 0."""
    return Command(message_id, 0, stream, "run.start", body, "a test", **more)


class InboxContract:
    """A mixin for the contract of the event store; uses its fixtures."""

    def pass_time(self, store: EventStore, clock: ManualClock, seconds: float) -> None:  # noqa: ARG002 - for overrides
        """Let time pass; stores on a database with its own clock override this."""
        clock.advance(seconds)

    def test_commands_wait_in_the_order_of_their_submission(self, store: EventStore) -> None:
        store.inbox.submit([command("a"), command("b", "run-2")])
        store.inbox.submit([command("c")])
        seqs = store.inbox.waiting(frozenset({0}), 10)
        assert list(seqs) == sorted(seqs)
        found = store.inbox.take(seqs)
        assert [one.command.message_id for one in found] == ["a", "b", "c"]
        assert store.inbox.first({0}, 10) == found
        assert store.inbox.first({0}, 2) == found[:2]
        assert list(store.inbox.first({1}, 2)) == []
        assert found[1].command == command("b", "run-2")
        assert not any(one.late for one in found)
        assert store.inbox.waiting({0}, 2) == seqs[:2]
        assert list(store.inbox.waiting({1, 2}, 10)) == []
        assert list(store.inbox.waiting(frozenset(), 10)) == []

    def test_a_context_comes_with_its_command_and_makes_it_no_other(
        self, store: EventStore
    ) -> None:
        store.inbox.submit([replace(command("a"), context=b"\x81\xa1a\x01"), command("b")])
        again = [replace(command("a"), context=b"\x81\xa1a\x02"), command("b")]
        assert not store.inbox.submit(
            again
        )  # a retry has another time-out: that of the first submission counts
        found = store.inbox.first({0}, 10)
        assert [one.command.context for one in found] == [b"\x81\xa1a\x01", b""]
        assert store.inbox.take([one.seq for one in found]) == found

    def test_commands_of_several_shards_come_in_one_order(self, store: EventStore) -> None:
        for number, name in enumerate("abcdef"):
            store.inbox.submit([replace(command(name), shard=(number + 1) % 2)])
        found = store.inbox.take(store.inbox.waiting({0, 1}, 10)[::-1])
        assert "".join(one.command.message_id for one in found) == "abcdef"
        assert store.inbox.waiting({0, 1}, 2) == [one.seq for one in found[:2]]
        assert store.inbox.waiting({1}, 10) == [one.seq for one in found[::2]]

    def test_the_same_command_again_is_not_a_second_one(self, store: EventStore) -> None:
        store.inbox.submit([command("a")])
        assert not store.inbox.submit([command("a"), command("b")])
        assert len(store.inbox.waiting({0}, 10)) == 2

    @pytest.mark.parametrize("other", [command("a", "run-2"), command("a", body=b"c")])
    def test_an_id_that_is_taken_by_another_command_is_named(
        self, store: EventStore, other: Command
    ) -> None:
        store.inbox.submit([command("a")])
        assert set(store.inbox.submit([other, command("b")])) == {"a"}
        found = store.inbox.take(store.inbox.waiting({0}, 10))
        assert [one.command.body for one in found] == [b"b", b"b"]

    def test_an_answer_stands_and_ends_the_waiting(self, store: EventStore) -> None:
        store.inbox.submit([command("a"), command("b")])
        [first, _] = store.inbox.waiting({0}, 10)
        store.inbox.answer([("a", b"yes")])
        store.inbox.answer([("a", b"no")])
        assert store.inbox.answers(["a", "b", "c"]) == {"a": b"yes"}
        assert [one.command.message_id for one in store.inbox.take([first])] == []
        assert [one.command.message_id for one in store.inbox.first({0}, 9)] == ["b"]
        assert len(store.inbox.waiting({0}, 10)) == 1

    def test_an_answer_in_an_append_is_there_with_its_events(self, store: EventStore) -> None:
        names = [f"m{number}" for number in range(20)]
        store.inbox.submit([command(name) for name in names])
        outcomes = Outcomes()
        answers = [(name, name.encode()) for name in names]
        store.submit(Append("run-1", 0, [some_event()], outcomes.on_done, answers=answers[:1]))
        store.submit(Append("run-2", 0, [some_event()], outcomes.on_done, answers=answers[1:]))
        store.lead()
        assert outcomes.errors() == [None, None]
        assert store.inbox.answers(names) == dict(answers)
        assert not store.inbox.waiting({0}, 10)

    @pytest.mark.parametrize("answered", [["a"], ["a", "b", "c"]])
    def test_an_answer_stands_against_that_of_a_later_append(
        self, store: EventStore, answered: list[str]
    ) -> None:
        store.inbox.submit([command(name) for name in "abcd"])
        store.inbox.answer([("a", b"first")])
        outcomes = Outcomes()
        answers = [(name, b"second") for name in answered]
        store.submit(Append("run-1", 0, [some_event()], outcomes.on_done, answers=answers))
        store.lead()
        store.inbox.answer([(name, b"third") for name in "abcd"])
        kept = dict.fromkeys("abcd", b"third") | dict(answers) | {"a": b"first"}
        assert store.inbox.answers(list("abcd")) == kept

    def test_a_row_is_set_aside_by_its_number(self, store: EventStore) -> None:
        store.inbox.submit([command("a"), command("b"), command("c")])
        numbers = store.inbox.waiting({0}, 10)
        store.inbox.answer([("a", b"first")])
        for number in numbers[:2]:
            store.inbox.set_aside(number, b"damaged")
        store.inbox.set_aside(max(numbers) + 1, b"damaged")
        assert store.inbox.answers(["a", "b", "c"]) == {"a": b"first", "b": b"damaged"}
        assert store.inbox.waiting({0}, 10) == numbers[2:]

    def test_an_append_that_fails_answers_nothing(
        self, store: EventStore, before_commit: Fault
    ) -> None:
        store.inbox.submit([command("a"), command("b")])
        outcomes = Outcomes()
        answers = [("a", b"never")]
        store.submit(Append("run-1", 5, [some_event()], outcomes.on_done, answers=answers))
        store.lead()
        before_commit.arm()
        answers = [("b", b"never")]
        store.submit(Append("run-2", 0, [some_event()], outcomes.on_done, answers=answers))
        store.lead()
        assert [type(error) for error in outcomes.errors()] == [
            WrongExpectedVersionError,
            StoreUnavailableError,
        ]
        assert store.inbox.answers(["a", "b"]) == {}
        assert len(store.inbox.waiting({0}, 10)) == 2

    def test_a_command_is_late_once_its_time_is_over(
        self, store: EventStore, clock: ManualClock
    ) -> None:
        timeout = 2 * _HOUR * 1_000_000
        store.inbox.submit([command("a", timeout=timeout), command("b")])
        seqs = store.inbox.waiting({0}, 10)
        first, second = [one.command.timeout for one in store.inbox.take(seqs)]
        assert (first >= timeout, second) == (True, 0)
        self.pass_time(store, clock, _HOUR)
        assert [one.late for one in store.inbox.take(seqs)] == [False, False]
        self.pass_time(store, clock, _HOUR + 1)
        assert [one.late for one in store.inbox.take(seqs)] == [True, False]

    def test_answered_commands_are_remembered_for_a_week(
        self, store: EventStore, clock: ManualClock
    ) -> None:
        store.inbox.submit([command("a"), command("b"), command("open")])
        store.inbox.answer([("a", b"yes"), ("b", b"yes")])
        self.pass_time(store, clock, REMEMBERED / 1_000_000 - _HOUR)
        assert store.inbox.forget(10) == 0
        self.pass_time(store, clock, _HOUR + 1)
        assert [store.inbox.forget(1) for _ in range(3)] == [1, 1, 0]
        assert store.inbox.answers(["a", "b"]) == {}
        assert len(store.inbox.waiting({0}, 10)) == 1

    def test_only_what_is_answered_can_be_discarded(self, store: EventStore) -> None:
        store.inbox.submit([command("a"), command("b")])
        store.inbox.answer([("a", b"yes")])
        store.inbox.discard(["a", "b", "c"])
        assert store.inbox.answers(["a", "b"]) == {}
        found = store.inbox.take(store.inbox.waiting({0}, 10))
        assert [one.command.message_id for one in found] == ["b"]

    def test_a_watcher_is_woken(self, store: EventStore) -> None:
        watcher = store.inbox.watch()
        watcher.wait(0)
        watcher.wake()
        assert watcher.wait(30)
        store.inbox.submit([command("a")])
        assert watcher.wait(0)
        watcher.close()
