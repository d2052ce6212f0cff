"""Every snapshot there is, and whether it may be used."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol

import sqlalchemy as sa

from indelible.events.inbox.inbox import TEXT_LIMIT
from indelible.events.snapshots import SNAPSHOT_BYTES, Snapshot, unpack
from indelible.events.verification.findings import Findings
from indelible.events.verification.rows import Rows

_COLUMNS = (
    *("stream", "version", f"substr(schema, 1, {TEXT_LIMIT})", "taken_at"),
    f"CASE WHEN length(state) <= {SNAPSHOT_BYTES} THEN state END",
)
_KINDS = (str, int, str, int, bytes)


class SnapshotStore(Protocol):
    """What of a store is looked at."""

    def read_views(self) -> AbstractContextManager[sa.Connection]:
        """As :class:`~indelible.events.store.EventStore` has it."""
        ...

    def event_id(self, stream: str, version: int) -> bytes | None:
        """As :class:`~indelible.events.store.EventStore` has it."""
        ...


class Kept(NamedTuple):
    """A row of the table: what it says of itself, and the snapshot, ``None`` if it is unusable."""

    stream: Any
    version: Any
    snapshot: Snapshot | None


def check_snapshots(store: SnapshotStore, findings: Findings) -> None:
    """Note each snapshot that is not whole, or was taken after an event that is not in its stream.

    Raises:
        VerificationError: Enough was found.
    """
    for stream, version, snapshot in all_snapshots(store):
        if snapshot is None:
            found = f"the snapshot of {stream!r:.300} at version {version!r:.80} is damaged, or of"
            findings.add(-1, 0, f"{found} another log; drop it with rebuild --snapshots")


def all_snapshots(store: SnapshotStore) -> Iterator[Kept]:
    """All snapshots, one by one: each may have 16 MiB.

    Raises:
        StoreError: They cannot be read.
    """
    rows = Rows(store.read_views, SNAPSHOT_BYTES)
    for [row] in rows.every("snapshots", _COLUMNS, ("stream", "version"), 1):
        snapshot = unpack(*row) if tuple(map(type, row)) == _KINDS else None
        if snapshot and store.event_id(snapshot.stream, snapshot.version) != snapshot.event_id:
            snapshot = None  # it was taken after an event that its stream does not hold
        yield Kept(row[0], row[1], snapshot)
