"""Reading page by page: everything once, in the order of its shard, never behind a gap."""

from __future__ import annotations

from typing import Any

import pytest

from indelible.errors import (
    CursorAheadError,
    EventGapError,
    StoreUnavailableError,
    UnknownEventTypeError,
)
from indelible.events.model.event import RecordedEvent
from indelible.events.subscribe.batches import EventBatch, Selection
from indelible.events.subscribe.shard_pages import PAGE, ShardPages, format_cursor, parse_cursor
from indelible.testing.contract.builders import some_event


def all_of(pages: ShardPages) -> list[EventBatch]:
    """Every batch until nothing is left."""
    batches = []
    while (batch := pages.read()) is not None:
        batches.append(batch)
    return batches


def places(batches: list[EventBatch]) -> dict[int, list[int]]:
    """Positions in the order in which they came, by shard."""
    found: dict[int, list[int]] = {}
    for batch in batches:
        for item in batch:
            found.setdefault(item.recorded.shard, []).append(item.recorded.position)
    return found


def test_every_event_comes_once_in_the_order_of_its_shard(log: Any) -> None:
    log.fill(streams=20, each=30)
    batches = all_of(log.pages(max_batch=7))
    ends = {shard: end for shard, end in log.store.positions().items() if end}
    assert len(ends) > 1
    assert places(batches) == {shard: list(range(1, end + 1)) for shard, end in ends.items()}
    assert {len(batch) for batch in batches[:-1]} == {7}


def test_events_of_several_shards_come_in_the_order_of_time_within_a_batch(log: Any) -> None:
    log.fill(streams=20, each=1)
    [batch] = all_of(log.pages())
    times = [item.recorded.recorded_at for item in batch]
    assert times == sorted(times)


def test_a_reader_goes_on_behind_any_delivery_of_any_batch(log: Any) -> None:
    log.fill(streams=9, each=5)
    whole = places(all_of(log.pages(max_batch=8)))
    for batch in all_of(log.pages(max_batch=8)):
        for item in batch:
            cursor = item.cursor
            rest = places(all_of(log.pages(cursor)))
            assert rest == {
                shard: [p for p in positions if p > cursor.get(shard, 0)]
                for shard, positions in whole.items()
                if positions[-1] > cursor.get(shard, 0)
            }


def test_what_nobody_wants_is_passed_over_and_not_read_again(log: Any) -> None:
    log.fill(streams=8, each=50)
    log.append("note-1", log.note("a"))
    pages = log.pages(selection=Selection(types=["note.noted"]))
    found = [item for batch in all_of(pages) for item in batch]
    assert [item.event for item in found] == [log.types.decode(log.note("a"))]
    assert pages.cursor == {shard: end for shard, end in log.store.positions().items() if end}
    read = len(log.pages_read)
    assert pages.read() is None
    assert len(log.pages_read) == read


@pytest.mark.parametrize(
    ("selection", "wanted"),
    [
        ({"category": "note"}, {"note-1", "note-2"}),
        ({"streams": ["note-2", "thing-1"]}, {"note-2", "thing-1"}),
        ({"types": ["note.noted"], "streams": ["thing-1"]}, set()),
        ({"types": []}, set()),
        ({}, {"note-1", "note-2", "thing-0", "thing-1"}),
    ],
)
def test_a_selection_is_by_type_category_and_stream(
    log: Any, selection: dict[str, Any], wanted: set[str]
) -> None:
    log.fill(streams=2, each=1)
    log.append("note-1", log.note("a"))
    log.append("note-2", log.note("b"))
    batches = all_of(log.pages(selection=Selection(**selection)))
    assert {item.recorded.stream for batch in batches for item in batch} == wanted


def test_one_text_is_no_list_of_types() -> None:
    with pytest.raises(TypeError, match=r"\['note.noted'\]"):
        Selection(types="note.noted")


def test_a_type_that_the_system_does_not_know_is_an_error_only_when_it_is_asked_for(
    log: Any,
) -> None:
    log.append("thing-1")
    [[item]] = all_of(log.pages())
    assert item.recorded.type == "thing.happened"
    with pytest.raises(UnknownEventTypeError):
        _ = item.event


def test_a_shard_with_a_long_backlog_does_not_keep_the_others_waiting(log: Any) -> None:
    long, *short = (log.stream_on(shard) for shard in range(4))
    log.append(long, *(some_event() for _ in range(3 * PAGE)))
    for stream in short:
        log.append(stream)
    pages = log.pages(max_batch=10)
    seen: list[str] = []
    while not set(short) <= set(seen):
        seen += [item.recorded.stream for item in pages.read() or ()]
    assert len(seen) < PAGE


def test_a_batch_keeps_to_its_bound_in_bytes_and_a_larger_event_comes_alone(log: Any) -> None:
    log.append("thing-1", *(some_event(bytes(size)) for size in (400, 400, 400, 5_000, 400)))
    batches = all_of(log.pages(max_bytes=1_000))
    assert [[len(item.recorded.payload) for item in batch] for batch in batches] == [
        [400, 400, 400],
        [5_000],
        [400],
    ]


def test_pages_of_large_events_become_small(log: Any) -> None:
    log.append("thing-1", *(some_event(bytes(1_000)) for _ in range(400)))
    all_of(log.pages(max_bytes=10_000))
    sizes = [size for _, _, size in log.pages_read]
    assert sizes[0] == 64  # the first page knows nothing
    assert set(sizes[1:-1]) == {9}


class Hiding:
    """Leaves out what a test wants hidden."""

    def __init__(self, log: Any) -> None:
        self.hidden: set[int] = set()
        self._read = log.store.read_shard
        log.store.read_shard = self

    def __call__(self, shard: int, after: int, limit: int) -> list[RecordedEvent]:
        return [e for e in self._read(shard, after, limit) if e.position not in self.hidden]


@pytest.mark.parametrize("hidden", [{1}, {3}, {5}, {1, 2, 3, 4, 5}])
def test_a_position_that_is_missing_is_waited_for_and_never_passed(
    log: Any, hidden: set[int]
) -> None:
    log.append("thing-1", *(some_event() for _ in range(5)))
    hiding = Hiding(log)
    hiding.hidden = hidden
    pages = log.pages(max_batch=2)
    seen: list[int] = []
    missing: set[int] = set()
    for _ in range(10):
        try:
            seen += [item.recorded.position for item in pages.read() or ()]
        except EventGapError as error:
            missing.add(error.after + 1)
    assert missing == {min(hidden)}
    assert seen == list(range(1, len(seen) + 1))
    assert not hidden & set(seen)
    hiding.hidden = set()
    seen += [item.recorded.position for batch in all_of(pages) for item in batch]
    assert seen == [1, 2, 3, 4, 5]


def test_what_comes_before_a_trouble_is_handed_out_first(log: Any) -> None:
    for number in range(8):
        log.append(f"thing-{number}")
    read = log.store.read_shard
    ends = {shard for shard, end in log.store.positions().items() if end}
    broken = max(ends)

    def fail(shard: int, after: int, limit: int) -> Any:
        if shard == broken:
            raise StoreUnavailableError("the disk is full")
        return read(shard, after, limit)

    log.store.read_shard = fail
    pages = log.pages()
    batch = pages.read()
    assert {item.recorded.shard for item in batch or ()} == ends - {broken}
    with pytest.raises(StoreUnavailableError):
        pages.read()
    log.store.read_shard = read
    assert {item.recorded.shard for item in pages.read() or ()} == {broken}


@pytest.mark.parametrize("cursor", [{0: 1_000}, {99: 1}])
def test_a_cursor_ahead_of_the_log_is_an_error(log: Any, cursor: dict[int, int]) -> None:
    log.fill(streams=4, each=1)
    with pytest.raises(CursorAheadError):
        log.pages(cursor).read()


@pytest.mark.parametrize("cursor", [{0: -1}, {"0": 1}, {0: 1.5}, {0: True}, [1], 7])
def test_what_is_no_cursor_is_refused(log: Any, cursor: Any) -> None:
    with pytest.raises(ValueError, match="no cursor"):
        log.pages(cursor)


@pytest.mark.parametrize("bound", [{"max_batch": 0}, {"max_bytes": 0}])
def test_a_bound_is_at_least_one(log: Any, bound: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        log.pages(**bound)


def test_a_cursor_survives_as_text() -> None:
    for cursor in ({}, {0: 17}, {0: 17, 63: 4}):
        assert parse_cursor(format_cursor(cursor)) == cursor


@pytest.mark.parametrize("text", ["", "x", "0", "0:", ":1", "0:1,0:2", "0:-1", "0:1,", "²:1"])
def test_other_text_is_no_cursor(text: str) -> None:
    with pytest.raises(ValueError, match="no cursor"):
        parse_cursor(text)
