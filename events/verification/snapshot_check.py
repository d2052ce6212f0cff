"""Reads all snapshots and checks that each can be used."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol

import sqlalchemy as sa

from indelible.events.inbox.inbox import TEXT_LIMIT
from indelible.events.snapshots import SNAPSHOT_BYTES, Snapshot, unpack
from indelible.events.verification.findings import Findings
from indelible.events.verification.row_reader import RowReader

_COLUMNS = (
    *("stream", "version", f"substr(schema, 1, {TEXT_LIMIT})", "taken_at"),
    f"CASE WHEN length(state) <= {SNAPSHOT_BYTES} THEN state END",
)
_KINDS = (str, int, str, int, bytes)


class SnapshotStore(Protocol):
    """The part of a store that the check needs."""

    def read_views(self) -> AbstractContextManager[sa.Connection]:
        """See :class:`~indelible.events.store.EventStore`."""
        ...

    def event_id(self, stream: str, version: int) -> bytes | None:
        """See :class:`~indelible.events.store.EventStore`."""
        ...


class SnapshotRow(NamedTuple):
    """A row's stream and version as stored, and its snapshot, ``None`` if it cannot be used."""

    stream: Any
    version: Any
    snapshot: Snapshot | None


def check_snapshots(store: SnapshotStore, findings: Findings) -> None:
    """Add each snapshot that is damaged, or whose event is not in its stream.

    Raises:
        VerificationError: The limit of findings is reached.
    """
    for stream, version, snapshot in all_snapshots(store):
        if snapshot is None:
            found = f"the snapshot of {stream!r:.300} at version {version!r:.80} is damaged, or of"
            findings.add(-1, 0, f"{found} another log; drop it with rebuild --snapshots")


def all_snapshots(store: SnapshotStore) -> Iterator[SnapshotRow]:
    """Return all snapshots, one by one: each may have 16 MiB.

    Raises:
        StoreError: The snapshots cannot be read.
    """
    rows = RowReader(store.read_views, SNAPSHOT_BYTES)
    for [row] in rows.every("snapshots", _COLUMNS, ("stream", "version"), 1):
        snapshot = unpack(*row) if tuple(map(type, row)) == _KINDS else None
        if snapshot and store.event_id(snapshot.stream, snapshot.version) != snapshot.event_id:
            snapshot = None  # its stream does not hold the event after which it was taken
        yield SnapshotRow(row[0], row[1], snapshot)
