"""The contract of an event store, first part: appending and reading."""
# ruff: noqa: D102 - tests: their names say what they check

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest

from indelible.clock import ManualClock
from indelible.errors import (
    StoreCorruptError,
    WrongExpectedVersionError,
)
from indelible.events.model.event import RecordedEvent
from indelible.events.store import Append, EventStore
from indelible.testing.contract.builders import (
    Outcomes,
    some_event,
    some_events,
    submit_all,
)


class LogContract:
    """Tests of appending and reading; the fixtures are those of :class:`EventStoreContract`."""

    # -- one append

    def test_a_new_stream_begins_at_version_1(self, store: EventStore) -> None:
        [recorded] = store.append("run-1", [some_event()], expected=0)
        assert (recorded.stream, recorded.version, recorded.position) == ("run-1", 1, 1)

    def test_versions_and_positions_rise_without_gaps(self, store: EventStore) -> None:
        store.append("run-1", some_events(3), expected=0)
        store.append("run-2", some_events(2), expected=0)
        last = store.append("run-1", some_events(2), expected=3)
        assert [(event.version, event.position) for event in last] == [(4, 6), (5, 7)]
        assert [event.position for event in store.read_shard(0, 0, 100)] == list(range(1, 8))

    def test_an_event_comes_back_as_it_was_written(
        self, store: EventStore, clock: ManualClock
    ) -> None:
        event = some_event(b"\x81\xa1a\x01", "order.placed")
        [recorded] = store.append("run-ü", [event], expected=0, metadata=b"\x81\xa1b\x02")
        [read] = store.read("run-ü")
        assert isinstance(read, RecordedEvent)
        assert read == recorded
        assert (read.event_id, read.type, read.schema) == (event.event_id, event.type, 1)
        assert (read.payload, read.metadata) == (event.payload, b"\x81\xa1b\x02")
        assert (read.recorded_at, read.epoch, len(read.chain)) == (clock.now(), 1, 32)

    def test_an_event_may_have_metadata_of_its_own(self, store: EventStore) -> None:
        first, second = some_events(2)
        own = type(second)(second.event_id, second.type, 1, second.payload, None, b"\x81\xa1a\x01")
        store.append("run-1", [first, own], expected=0, metadata=b"\x81\xa1b\x02")
        store.append("run-1", [some_event()], expected=2)
        stored = [read.metadata for read in store.read("run-1")]
        assert stored == [b"\x81\xa1b\x02", b"\x81\xa1a\x01", b"\x80"]
        assert [read.metadata for read in store.read_shard(0, 0, 10)] == stored
        assert store.verify() == 3

    def test_typed_data_is_for_live_readers_only(self, store: EventStore) -> None:
        event = some_event()
        typed = type(event)(event.event_id, event.type, 1, event.payload, data="typed")
        [recorded] = store.append("run-1", [typed], expected=0)
        assert recorded.data == "typed"
        assert [read.data for read in store.read("run-1")] == [None]
        assert [read.data for read in store.read_shard(0, 0, 10)] == [None]

    @pytest.mark.parametrize("expected", [0, 1, 3])
    def test_a_wrong_expected_version_is_refused(self, store: EventStore, expected: int) -> None:
        store.append("run-1", some_events(2), expected=0)
        with pytest.raises(WrongExpectedVersionError) as caught:
            store.append("run-1", [some_event()], expected=expected)
        error = caught.value
        assert (error.stream, error.expected, error.actual) == ("run-1", expected, 2)
        assert store.positions() == {0: 2}

    def test_a_stream_that_does_not_exist_is_at_version_0(self, store: EventStore) -> None:
        with pytest.raises(WrongExpectedVersionError) as caught:
            store.append("run-1", [some_event()], expected=1)
        assert caught.value.actual == 0
        assert store.head("run-1") is None

    def test_an_append_larger_than_a_group_is_one_append(self, store: EventStore) -> None:
        store.append("run-1", some_events(2_500), expected=0)
        assert [event.version for event in store.read("run-1")] == list(range(1, 2_501))

    def test_recorded_at_never_falls(self, store: EventStore, clock: ManualClock) -> None:
        clock.advance(10)
        [first] = store.append("run-1", [some_event()], expected=0)
        clock._now -= 5_000_000
        [second] = store.append("run-1", [some_event()], expected=1)
        assert second.recorded_at == first.recorded_at

    def test_a_stored_chain_verifies(self, store: EventStore) -> None:
        assert store.verify() == 0
        store.append("run-1", some_events(3), expected=0)
        assert store.verify() == 3

    # -- refused appends

    def test_an_append_that_makes_no_sense_fails_alone(self, store: EventStore) -> None:
        good = some_event()
        wrong_id = type(good)(b"short", "thing.happened", 1, b"\x80")
        wrong_payload = type(good)(good.event_id, "thing.happened", 1, "text")  # type: ignore[arg-type]
        wrong_type = type(good)(good.event_id, "half \ud800", 1, b"\x80")
        outcomes = Outcomes()
        nothing: Any = None
        store.submit(Append("run-none", 0, nothing, outcomes.on_done))
        store.submit(Append(nothing, 0, [good], outcomes.on_done))
        for number, events in enumerate([[], [wrong_id], [wrong_payload], [wrong_type], [good]]):
            store.submit(Append(f"run-{number}", 0, events, outcomes.on_done))
        for name in ("", "a\nb", "x" * 300, "half \ud800"):
            store.submit(Append(name, 0, [good], outcomes.on_done))
        store.submit(Append("run-5", 0, [good], outcomes.on_done, wake_at=-1))
        store.submit(Append("run-6", 0, [good], outcomes.on_done, wake_at=2**63))
        store.submit(Append("run-7", 0, [good], outcomes.on_done, status="half \ud800"))
        store.submit(Append("run-8", 0, [good], outcomes.on_done, blobs=[(b"short", b"")]))
        store.lead()
        assert [append.stream for append, error in outcomes.completed if error is None] == ["run-4"]
        assert store.positions() == {0: 1}

    # -- reading

    def test_a_stream_is_read_in_part(self, store: EventStore) -> None:
        store.append("run-1", some_events(5), expected=0)
        assert [event.version for event in store.read("run-1", 2)] == [3, 4, 5]
        assert [event.version for event in store.read("run-1", 1, 3)] == [2, 3]
        assert [event.version for event in store.read("run-1", until=1)] == [1]
        assert list(store.read("run-1", 5)) == []
        assert list(store.read("run-1", 3, 2)) == []

    def test_an_unknown_stream_is_empty(self, store: EventStore) -> None:
        assert list(store.read("run-1")) == []
        assert store.head("run-1") is None

    def test_the_first_events_of_several_streams_are_read_together(self, store: EventStore) -> None:
        store.append("run-1", some_events(2), expected=0)
        store.append("run-2", some_events(3), expected=0)
        store.append("run-3", some_events(1), expected=0)
        store.append("run-1", some_events(2), expected=2)
        wanted = ["run-2", "run-none", "half \ud800", "run-1"]
        found = store.read_firsts(wanted, 3)
        assert set(found) == {"run-1", "run-2"}
        assert list(found["run-1"]) == list(store.read("run-1", until=3))
        assert list(found["run-2"]) == list(store.read("run-2"))
        assert not store.read_firsts([], 3)

    def test_streams_are_read_together_however_many_there_are(self, store: EventStore) -> None:
        names = [f"run-{number}" for number in range(1_500)]
        outcomes = submit_all(store, [(name, 0, 1) for name in names])
        assert outcomes.errors() == [None] * len(names)
        assert set(store.read_firsts(names, 100)) == set(names)

    def test_a_shard_is_read_behind_a_position(self, store: EventStore) -> None:
        store.append("run-1", some_events(3), expected=0)
        store.append("run-2", some_events(3), expected=0)
        assert [event.position for event in store.read_shard(0, 2, 3)] == [3, 4, 5]
        assert [event.stream for event in store.read_shard(0, 2, 2)] == ["run-1", "run-2"]
        assert list(store.read_shard(0, 6, 10)) == []
        assert list(store.read_shard(1, 0, 10)) == []

    def test_a_head_shows_what_is_unfinished(self, store: EventStore) -> None:
        store.append("run-a-b", [some_event()], expected=0)
        head = store.head("run-a-b")
        assert head is not None
        assert (head.category, head.version, head.status, head.wake_at) == ("run", 1, "", 0)
        store.append("run-a-b", [some_event()], expected=1, status="running", wake_at=7)
        store.append("run-a-b", [some_event()], expected=2)
        head = store.head("run-a-b")
        assert head is not None
        assert (head.version, head.status, head.wake_at) == (3, "running", 7)
        store.append("run-a-b", [some_event()], expected=3, wake_at=0)
        head = store.head("run-a-b")
        assert head is not None
        assert (head.status, head.wake_at) == ("running", 0)

    def test_heads_come_in_order_of_creation(self, store: EventStore) -> None:
        for name in ("run-b", "agent-x", "run-a", "run-c", "runner-1"):
            store.append(name, [some_event()], expected=0, status="done")
        store.append("run-b", [some_event()], expected=1, status="running")
        assert [head.stream for head in store.heads("run")] == ["run-b", "run-a", "run-c"]
        assert [head.stream for head in store.heads("run", ["running"])] == ["run-b"]
        assert [head.stream for head in store.heads("run", ["running", "done"])] == [
            "run-b",
            "run-a",
            "run-c",
        ]
        assert list(store.heads("run", [])) == []
        assert list(store.heads("nothing")) == []

    def test_heads_of_many_streams_are_found_together(self, store: EventStore) -> None:
        names = [f"run-{number}" for number in range(1_200)]
        submit_all(store, [(name, 0, 1) for name in names])
        found = store.heads_of([*names, "run-none", ""])
        assert {name: found[name].version for name in names} == dict.fromkeys(names, 1)
        assert len(found) == len(names)

    def test_what_sleeps_comes_in_pages_by_time_and_number(self, store: EventStore) -> None:
        for number, due in enumerate((9, 5, 0, 5, 7, 5)):
            store.append(f"run-{number}", [some_event()], expected=0, wake_at=due)
        page = store.sleeping(limit=2)
        assert [head.stream for head in page.heads] == ["run-1", "run-3"]
        assert page.place is not None
        page = store.sleeping(after=page.place, until=7, limit=2)
        assert [head.stream for head in page.heads] == ["run-5", "run-4"]
        assert page.place is not None
        page = store.sleeping(after=page.place, until=8)
        assert (page.heads, page.place) == ([], None)
        assert [head.wake_at for head in store.sleeping().heads] == [5, 5, 5, 7, 9]
        assert [head.stream for head in store.sleeping({0}, limit=1).heads] == ["run-1"]
        assert not store.sleeping({1}).heads

    def test_a_blob_is_stored_with_its_append(self, store: EventStore) -> None:
        content = b"x" * 100_000
        digest = sha256(content).digest()
        store.append("run-1", [some_event()], expected=0, blobs=[(digest, content)])
        store.append("run-2", [some_event()], expected=0, blobs=[(digest, content)])
        assert store.blob(digest) == content

    def test_a_missing_blob_is_an_error(self, store: EventStore) -> None:
        with pytest.raises(StoreCorruptError, match="missing"):
            store.blob(bytes(32))
