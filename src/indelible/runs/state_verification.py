"""Verification of data derived from the log against the fold: status, wake_at, snapshots."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from indelible.actors.decider import Decider, takes_snapshots
from indelible.actors.durable.commit.promises import outstanding, row_of, to_value
from indelible.actors.durable.recovery.state_from_log import recover
from indelible.errors.error_text import in_words
from indelible.events.codec.values import decode_value, encode_value
from indelible.events.model.event_types import EventTypes
from indelible.events.model.stream_names import category_of
from indelible.events.snapshots import Snapshot
from indelible.events.store import EventStore
from indelible.events.verification.findings import Findings
from indelible.events.verification.log_tables import LogTables, StreamRow
from indelible.events.verification.snapshot_check import all_snapshots

Deciders = Mapping[str, Decider[Any]]


def verify_states(
    store: EventStore, types: EventTypes, deciders: Deciders, findings: Findings
) -> tuple[int, set[str]]:
    """Compare the rows of all streams with the fold of their events.

    The store itself verifies the other columns of the rows, and their versions.

    Returns:
        The number of rows compared, and the categories without a decider.

    Raises:
        VerificationError: The limit of findings is reached.
    """
    compared, unfolded = 0, set[str]()
    for rows in LogTables(store.read_views).streams():
        for row in rows:
            if row.wrong:
                continue
            decider = deciders.get(row.category)
            if decider is None:
                unfolded.add(row.category)
                continue
            _compare(store, types, decider, row, findings)
            compared += 1
    return compared, unfolded


def _compare(
    store: EventStore,
    types: EventTypes,
    decider: Decider[Any],
    row: StreamRow,
    findings: Findings,
) -> None:
    shard = store.shard_of(row.name)
    until = row.version
    try:
        recovered = recover(store, types, decider, row.name, until=until, snapshots=False)
        if recovered.version != until:
            found = f"by its name events up to version {recovered.version} are found"
            findings.add(shard, 0, f"stream {row.name!r:.300} ends at version {until}, {found}")
            return
        wanted = outstanding(decider, recovered.state)
        folded = row_of(decider.unfinished(recovered.state), wanted, recovered.promises)
    except Exception as error:  # noqa: BLE001 - a decider may raise anything on damaged events
        findings.add(shard, 0, f"stream {row.name!r:.300} cannot be folded: {in_words(error)}")
        return
    if folded != (row.status, row.wake_at):
        found = (
            f"stream {row.name!r}: its row says status {row.status!r:.80} and wake_at "
            f"{row.wake_at}, the fold of its events {folded[0]!r:.80} and {folded[1]}"
        )
        findings.add(shard, 0, found)


def verify_snapshots(
    store: EventStore, types: EventTypes, deciders: Deciders, findings: Findings
) -> int:
    """Compare the snapshots with the fold and return the number of all snapshots.

    Only snapshots that one of ``deciders`` would use are compared; the others are counted.

    Raises:
        VerificationError: The limit of findings is reached.
    """
    count = 0
    for _, version, snapshot in all_snapshots(store):
        count += 1
        decider = None if snapshot is None else deciders.get(category_of(snapshot.stream))
        if snapshot is None or decider is None or not takes_snapshots(decider):
            continue
        stream = snapshot.stream
        if snapshot.schema == decider.snapshot_schema and not _is_fold(
            store, types, decider, snapshot
        ):
            found = f"the snapshot of {stream!r} at version {version} is not what its events say"
            text = f"{found}; drop it with rebuild --snapshots"
            findings.add(store.shard_of(stream), 0, text)
    return count


def _is_fold(
    store: EventStore, types: EventTypes, decider: Decider[Any], snapshot: Snapshot
) -> bool:
    try:
        until = snapshot.version
        found = recover(store, types, decider, snapshot.stream, until=until, snapshots=False)
        encoded = encode_value(to_value(decider, found.state, found.promises))
        return encoded == snapshot.state or decode_value(encoded) == decode_value(snapshot.state)
    except Exception:  # noqa: BLE001 - a decider may raise anything on damaged events
        return False
