"""What is kept of states beside the log, against the fold: status, wake_at, and snapshots."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from indelible.actors.decider import Decider, takes_snapshots
from indelible.actors.durable.recovery import recover
from indelible.errors import VerificationError
from indelible.events.snapshots import Snapshot, all_snapshots
from indelible.events.store import EventStore
from indelible.events.types import EventTypes
from indelible.events.values import decode_value, encode_value
from indelible.events.verification.tables import StreamRow, Tables

Deciders = Mapping[str, Decider[Any]]


def verify_states(store: EventStore, types: EventTypes, deciders: Deciders) -> tuple[int, set[str]]:
    """Compare the rows of all streams with the fold of their events.

    Returns:
        How many were compared, and the categories that none of ``deciders`` folds.

    Raises:
        VerificationError: At the first row that says something else, or that cannot be folded.
    """
    compared, unfolded = 0, set[str]()
    for rows in Tables(store.read_views).streams():
        for row in rows:
            decider = deciders.get(row.category)
            if decider is None:
                unfolded.add(row.category)
                continue
            _compare(store, types, decider, row)
            compared += 1
    return compared, unfolded


def _compare(store: EventStore, types: EventTypes, decider: Decider[Any], row: StreamRow) -> None:
    folded = decider.unfinished(_fold(store, types, decider, row.name, row.version))
    if folded != (row.status, row.wake_at):
        found = (
            f"stream {row.name!r}: its row says status {row.status!r} and wake_at {row.wake_at}, "
            f"the fold of its events {folded[0]!r} and {folded[1]}"
        )
        raise VerificationError(store.shard_of(row.name), 0, found)


def verify_snapshots(store: EventStore, types: EventTypes, deciders: Deciders) -> int:
    """Compare all usable snapshots with the fold and return how many there are.

    Those that one of ``deciders`` would use; the others are counted.

    Raises:
        VerificationError: At the first one that says something else.
    """
    count = 0
    for stream, version, snapshot in all_snapshots(store):
        count += 1
        decider = deciders.get(stream.partition("-")[0])
        if snapshot is None or decider is None or not takes_snapshots(decider):
            continue
        if snapshot.schema == decider.snapshot_schema and not _is_fold(
            store, types, decider, snapshot
        ):
            found = f"the snapshot of {stream!r} at version {version} is not what its events say"
            words = f"{found}; drop it with rebuild --snapshots"
            raise VerificationError(store.shard_of(stream), 0, words)
    return count


def _is_fold(
    store: EventStore, types: EventTypes, decider: Decider[Any], snapshot: Snapshot
) -> bool:
    state = _fold(store, types, decider, snapshot.stream, snapshot.version)
    encoded = encode_value(decider.snapshot(state))
    return encoded == snapshot.state or decode_value(encoded) == decode_value(snapshot.state)


def _fold(
    store: EventStore, types: EventTypes, decider: Decider[Any], stream: str, version: int
) -> Any:
    try:
        return recover(store, types, decider, stream, until=version, snapshots=False).state
    except Exception as error:
        found = f"stream {stream!r} cannot be folded: {error}"
        raise VerificationError(store.shard_of(stream), 0, found) from error
