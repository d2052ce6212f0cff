"""Builds a state from the log: the newest usable snapshot and the events after it, or all events.

Keeps invariant 4: both give the same state.  Only one page of a stream is in memory at a time.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from functools import partial
from itertools import chain
from typing import Any, NamedTuple

from indelible.actors.decider import Decider, takes_snapshots
from indelible.actors.durable.commit.promises import (
    ENGINE_EVENTS,
    NO_PROMISES,
    Promises,
    apply_engine_event,
    awaits_effects,
    forget_old,
    from_value,
    note_promises,
    outstanding,
)
from indelible.errors import EventNotFoldedError, RefusedError
from indelible.events.codec.values import decode_value
from indelible.events.model.event import Event, RecordedEvent
from indelible.events.model.event_types import EventTypes
from indelible.events.snapshots import find_snapshot
from indelible.events.store import EventStore

logger = logging.getLogger("indelible.actors")

SHORT = 100
"""Number of events up to which no snapshot is looked up: reading them takes as long."""


class RecoveredState(NamedTuple):
    """A state that was built from the log.

    Attributes:
        state: The state that the stream's decider has folded.
        version: Of the last event in it.
        snapshot: Version of the snapshot that the fold began with; 0 if from the first event.
        own: The events after version ``since``, decoded.
        first: The first event of the stream.
        promises: The promises of the effects that the state may wait for.
    """

    state: Any
    version: int
    snapshot: int = 0
    own: Sequence[Event] = ()
    first: RecordedEvent | None = None
    promises: Promises = NO_PROMISES


def recover(
    store: EventStore,
    types: EventTypes,
    decider: Decider[Any],
    stream: str,
    *,
    until: int | None = None,
    since: int | None = None,
    whole: Sequence[RecordedEvent] | None = None,
    snapshots: bool = True,
) -> RecoveredState:
    """The state of ``stream``, as of version ``until`` if that is given.

    Args:
        store: The store that has the stream.
        types: Decodes its events.
        decider: Folds them.
        stream: Name of the stream; a stream without events has the initial state.
        until: The last version to fold.
        since: Events after this version are returned as well, however old the snapshot is.
        whole: All events of the stream, if they have been read already.
        snapshots: Whether to use a snapshot instead of the events before it.

    Raises:
        StoreError: The log cannot be read, or an event cannot be decoded.
    """
    if whole is not None:
        return _fold(types, decider, whole, since, first=next(iter(whole), None))
    beginning: Sequence[RecordedEvent] = ()
    if snapshots and takes_snapshots(decider):
        short = min(SHORT, decider.snapshot_every or SHORT, SHORT if until is None else until)
        beginning = list(store.read(stream, until=short))
        if len(beginning) < short or short == until:
            return _fold(types, decider, beginning, since, first=next(iter(beginning), None))
        found = _restore(store, decider, stream, until)
        if found is not None:
            after = found.version if since is None else min(found.version, since)
            tail = store.read(stream, after, until)
            return _fold(types, decider, tail, since, found, beginning[0])
    events = chain(beginning, store.read(stream, len(beginning), until))
    first = next(events, None)
    return _fold(
        types, decider, events if first is None else chain((first,), events), since, first=first
    )


def _restore(
    store: EventStore, decider: Decider[Any], stream: str, until: int | None
) -> RecoveredState | None:
    snapshot = find_snapshot(store, stream, decider.snapshot_schema, until)
    if snapshot is None:
        return None
    version = snapshot.version
    try:
        state, promises = from_value(decider, decode_value(snapshot.state))
    except Exception as error:  # noqa: BLE001 - the state is folded from the events instead
        logger.warning(
            "the snapshot of %s at version %d cannot be restored (%r): all its events are read",
            stream,
            version,
            error,
        )
        return None
    return RecoveredState(state, version, version, promises=promises)


def _fold(
    types: EventTypes,
    decider: Decider[Any],
    events: Iterable[RecordedEvent],
    since: int | None,
    base: RecoveredState | None = None,
    first: RecordedEvent | None = None,
) -> RecoveredState:
    """Fold ``events`` onto ``base``, skipping the events that it contains."""
    base = base or RecoveredState(decider.initial_state(), 0)
    state, version, snapshot = base[:3]
    promises, notes = dict(base.promises), awaits_effects(decider)
    decode, evolve = types.decode, decider.evolve
    own: list[Event] = []
    for recorded in events:
        event = decode(recorded)
        if notes and type(event) in ENGINE_EVENTS:
            if recorded.version > snapshot:
                apply_engine_event(promises, event)
                version = recorded.version
        elif recorded.version > snapshot:
            try:
                state = evolve(state, event)
            except RefusedError:  # the actor reports that only decide() may refuse
                raise
            except Exception as error:
                raise _not_folded(recorded, error) from error
            version = recorded.version
            if notes:
                note_promises(promises, recorded)
                forget_old(promises, partial(outstanding, decider, state))
        if since is not None and recorded.version > since:
            own.append(event)
    return RecoveredState(state, version, snapshot, own, first, promises)


def _not_folded(recorded: RecordedEvent, error: Exception) -> EventNotFoldedError:
    place = {name: getattr(recorded, name) for name in ("stream", "version", "shard", "position")}
    return EventNotFoldedError(recorded.type, repr(error), **place)
