"""The contract of messages that an append sends: committed with its events, or not at all."""
# ruff: noqa: D102 - tests: their names say what they check

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from indelible.clock import ManualClock
from indelible.errors import StoreUnavailableError, WrongExpectedVersionError
from indelible.events.codec.metadata import METADATA_LIMIT
from indelible.events.inbox.inbox import COMMAND_LIMIT, Command
from indelible.events.store import Append, EventStore
from indelible.testing.contract.builders import Outcomes, some_event
from indelible.testing.contract.inbox_contract import InboxContract
from indelible.testing.faults import Fault


def message(message_id: str, **more: Any) -> Command:
    """A message for a stream of shard 0."""
    return Command(message_id, 0, "note-1", "actor.told", b"b", "a test", **more)


def waiting(store: EventStore) -> list[Command]:
    """The unanswered rows of the inbox, in order."""
    return [one.command for one in store.inbox.first(frozenset({0}), 3_000)]


def send(store: EventStore, *appends: tuple[str, int, list[Command]]) -> list[str]:
    """Append one event to each (stream, expected, commands) as one group; return error names."""
    outcomes = Outcomes()
    for stream, expected, commands in appends:
        events = [some_event()]
        store.submit(Append(stream, expected, events, outcomes.on_done, commands=commands))
    store.lead()
    return ["" if error is None else type(error).__name__ for error in outcomes.errors()]


class SentContract(InboxContract):
    """A mixin for the contract of the event store; uses its fixtures."""

    @pytest.mark.parametrize("number", [1, 2, 5, 1_001])
    def test_what_an_append_sends_is_there_with_its_events(
        self, store: EventStore, number: int
    ) -> None:
        sent = [message(f"run-1/1/{n}", context=b"\x81\xa1a\x01") for n in range(number)]
        others = [message("run-2/1/0"), message("run-2/1/1")]
        assert send(store, ("run-1", 0, sent), ("run-3", 0, []), ("run-2", 0, others)) == [""] * 3
        assert waiting(store) == sent + others
        assert len(store.inbox.waiting({0}, 9_999)) == number + 2
        assert store.verify() == 3

    def test_what_an_append_sends_waits_for_ever(
        self, store: EventStore, clock: ManualClock
    ) -> None:
        send(store, ("run-1", 0, [message("a")]))
        self.pass_time(store, clock, 10 * 365 * 24 * 3_600)
        [found] = store.inbox.first({0}, 10)
        assert (found.late, found.command.timeout, store.inbox.forget(10)) == (False, 0, 0)

    def test_an_append_that_is_refused_sends_nothing(self, store: EventStore) -> None:
        outcomes = send(
            store, ("run-1", 5, [message("a")]), ("run-2", 0, [message("b")]), ("run-3", 0, [])
        )
        assert sorted(outcomes) == ["", "", WrongExpectedVersionError.__name__]
        assert waiting(store) == [message("b")]

    def test_a_group_that_fails_sends_nothing(
        self, store: EventStore, before_commit: Fault
    ) -> None:
        before_commit.arm()
        sent = send(store, ("run-1", 0, [message("a")]), ("run-2", 0, [message("b")]))
        assert sent == [StoreUnavailableError.__name__] * 2
        assert waiting(store) == []

    def test_a_group_that_is_durable_after_all_has_sent_once(
        self, store: EventStore, after_commit: Fault
    ) -> None:
        after_commit.arm()
        assert send(store, ("run-1", 0, [message("a"), message("b")])) == [""]
        assert waiting(store) == [message("a"), message("b")]

    def test_an_id_that_is_there_stands(self, store: EventStore) -> None:
        store.inbox.submit([replace(message("a"), sender="the first")])
        assert send(store, ("run-1", 0, [message("a"), message("b")])) == [""]
        assert [(one.message_id, one.sender) for one in waiting(store)] == [
            ("a", "the first"),
            ("b", "a test"),
        ]

    @pytest.mark.parametrize(
        "wrong",
        [
            {"message_id": "\0"},
            {"stream": "note-\ud800"},
            {"kind": "k" * 1_001},
            {"sender": 1},
            {"body": bytes(COMMAND_LIMIT + 1)},
            {"body": "text"},
            {"context": bytes(METADATA_LIMIT + 1)},
            {"timeout": 1},
            {"shard": -1},
        ],
        ids=lambda wrong: f"{next(iter(wrong))} {str(wrong)[-9:]!a}",
    )
    def test_what_no_inbox_holds_is_refused_alone(
        self, store: EventStore, wrong: dict[str, Any]
    ) -> None:
        bad = replace(message("a"), **wrong)
        errors = send(store, ("run-1", 0, [message("x"), bad]), ("run-2", 0, [message("b")]))
        assert sorted(errors) == ["", "ValueError"]
        assert waiting(store) == [message("b")]
        assert store.positions() == {0: 1}

    def test_a_message_is_deleted_by_the_append_that_it_caused(self, store: EventStore) -> None:
        names = [f"m{n}" for n in range(9)]
        known = ["answered 1", "answered 2", "other", "asked"]
        store.inbox.submit([message(name) for name in [*names, *known]])
        before = dict.fromkeys(known[:2], b"before")
        store.inbox.answer([*before.items()])
        outcomes = Outcomes()
        done = [(name, None) for name in names]
        store.submit(Append("run-1", 0, [some_event()], outcomes.on_done, answers=done[:1]))
        more = [*done[1:], ("asked", b"yes"), ("answered 1", None)]
        store.submit(Append("run-2", 0, [some_event()], outcomes.on_done, answers=more))
        store.lead()
        last = [("answered 2", None)]
        store.submit(Append("run-3", 0, [some_event()], outcomes.on_done, answers=last))
        store.lead()
        assert outcomes.errors() == [None, None, None]
        assert waiting(store) == [message("other")]
        assert store.inbox.answers([*names, *known]) == before | {"asked": b"yes"}

    def test_an_append_that_fails_deletes_nothing(
        self, store: EventStore, before_commit: Fault
    ) -> None:
        store.inbox.submit([message("a"), message("b")])
        outcomes = Outcomes()
        event = [some_event()]
        store.submit(Append("run-1", 5, event, outcomes.on_done, answers=[("a", None)]))
        store.lead()
        before_commit.arm()
        store.submit(Append("run-2", 0, event, outcomes.on_done, answers=[("b", None)]))
        store.lead()
        assert None not in outcomes.errors()
        assert waiting(store) == [message("a"), message("b")]

    def test_a_message_is_deleted_by_itself_unless_it_has_its_answer(
        self, store: EventStore
    ) -> None:
        store.inbox.submit([message(name) for name in "abcd"])
        store.inbox.answer([("a", b"first"), ("b", None)])
        store.inbox.answer([("a", None), ("b", b"never"), ("c", b"yes"), ("no such", None)])
        assert waiting(store) == [message("d")]
        assert store.inbox.answers(list("abcd")) == {"a": b"first", "c": b"yes"}

    def test_the_number_of_a_deleted_message_is_not_given_again(self, store: EventStore) -> None:
        send(store, ("run-1", 0, [message("a")]))
        [first] = store.inbox.waiting({0}, 10)
        store.inbox.answer([("a", None)])
        send(store, ("run-1", 1, [message("b")]))
        [second] = store.inbox.waiting({0}, 10)
        assert second > first
