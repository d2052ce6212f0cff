"""What is too large to be a column's own is not loaded, whoever has put it there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any, ClassVar

import msgspec
import pytest

from at_rest import edit
from indelible.errors import ValueNotStorableError, VerificationError
from indelible.events.inbox.inbox import TEXT_LIMIT, Command
from indelible.events.model.event import Event
from indelible.events.model.event_types import EventTypes
from indelible.events.model.stream_names import KIND_LIMIT
from indelible.events.postgres.store import PostgresEventStore
from indelible.events.snapshots import Taken, keep_snapshots
from indelible.service.process_rows import read_processes
from indelible.testing.contract.builders import some_event, some_events

SIZE = 5_000_000
TEXT, BYTES = f"repeat('x', {SIZE})", f"decode(repeat('00', {SIZE}), 'hex')"
COMMAND = Command("m1", 0, "run-1", "k", b"", "s")


@pytest.fixture
def store(postgres_url: str) -> Iterator[PostgresEventStore]:
    """Three events of one stream, a command and a snapshot; open for writing."""
    with closing(PostgresEventStore(postgres_url, shards=1)) as store:
        store.open()
        store.append("run-1", some_events(3), expected=0)
        keep_snapshots(store, [Taken("run-1", 2, "1", 0, b"\x01")])
        store.inbox.submit([COMMAND])
        yield store


def sizes(value: Any) -> Iterator[int]:
    """Of all texts and bytes in ``value``."""
    if isinstance(value, (str, bytes)):
        yield len(value)
    elif isinstance(value, msgspec.Struct):
        yield from sizes([getattr(value, name) for name in value.__struct_fields__])
    elif isinstance(value, dict):
        yield from sizes([*value, *value.values()])
    elif isinstance(value, (list, tuple, Iterator)):
        for part in value:
            yield from sizes(part)


READS: dict[str, Callable[[PostgresEventStore], Any]] = {
    "read": lambda store: list(store.read("run-1")),
    "read_next": lambda store: list(store.read("run-1", 1)),
    "read_firsts": lambda store: dict(store.read_firsts(["run-1"], 9)),
    "read_shard": lambda store: list(store.read_shard(0, 0, 9)),
    "ends": lambda store: [tuple(end) for end in store._ends()],
    "inbox": lambda store: [store.inbox.first({0}, 9), store.inbox.take([1])],
    "owners": lambda store: list(store.owners()),
}


COLUMNS = {
    **{f"events.{name}": BYTES for name in ("event_id", "payload", "metadata", "chain")},
    "events.type": TEXT,
    "shards.chain": BYTES,
    **{f"inbox.{name}": TEXT for name in ("stream", "kind", "sender")},
    "inbox.body": BYTES,
    **{f"processes.{name}": TEXT for name in ("name", "host")},
    "processes.report": BYTES,
    "snapshots.schema": TEXT,
}


@pytest.mark.parametrize("column", COLUMNS)
def test_no_reader_loads_what_is_too_large(store: PostgresEventStore, column: str) -> None:
    table, name = column.split(".")
    edit(store.url, f"UPDATE {table} SET {name} = {COLUMNS[column]}")
    for what, read in READS.items():
        assert max(sizes(read(store)), default=0) <= TEXT_LIMIT, what
    with store.read_views() as connection:
        assert max(sizes(iter(read_processes(connection)))) <= TEXT_LIMIT
    if table in ("events", "shards", "inbox", "snapshots"):
        with pytest.raises(VerificationError) as caught:
            store.verify()
        assert len(str(caught.value)) < TEXT_LIMIT
    if table == "inbox":
        assert store.inbox.submit([COMMAND]) == (set() if name == "sender" else {"m1"})


def test_a_type_is_no_longer_than_what_is_loaded(store: PostgresEventStore) -> None:
    longest = "x" * KIND_LIMIT
    store.append("run-2", [some_event(event_type=longest)], expected=0)
    assert [event.type for event in store.read("run-2")] == [longest]
    with pytest.raises(ValueNotStorableError, match="255 characters"):
        store.append("run-2", [some_event(event_type=f"{longest}x")], expected=1)

    class TooLong(Event, frozen=True, gc=False):
        wire_name: ClassVar[str] = f"{longest}x"

    with pytest.raises(ValueError, match="255 characters"):
        EventTypes([TooLong])
