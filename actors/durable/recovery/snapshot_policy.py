"""Decides when an actor's state is worth a snapshot, and captures the state.

The state is captured on the actor's thread before the next event changes it, and written on
another thread after its events are durable.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from indelible.actors.decider import Decider, takes_snapshots
from indelible.actors.durable.commit.promises import NO_PROMISES, Promises, to_value
from indelible.actors.durable.recovery.snapshot_writer import PendingSnapshot, SnapshotWriter
from indelible.actors.durable.recovery.state_from_log import SHORT, RecoveredState
from indelible.clock import Clock
from indelible.errors import PayloadTooLargeError
from indelible.events.codec.values import encode_value
from indelible.events.snapshots import SNAPSHOT_LIMIT

logger = logging.getLogger("indelible.actors")

NEVER = 2**63
"""A version that no stream reaches."""

MAX_EVENTS = 2_000
"""Events from one snapshot to the next, at most."""

REPLAY_BUDGET = 5_000_000
"""Nanoseconds of replay that are worth a snapshot: users do not notice a tenth of a second."""

_DEFAULT_COST = 5_000.0
"""Nanoseconds to read, decode and fold one event, until a category's own cost is measured."""

_CAPTURE_RATIO = 8
"""Replay may cost this many times a capture: large states get snapshots less often.

Loading a snapshot costs less than capturing it, so a stream recovers within ten times its capture.
"""


def interval(cost: float, capture: int = 0) -> int:
    """Events until the next snapshot, from nanoseconds per replayed event and per capture.

    >>> interval(1_000.0), interval(5_000.0), interval(1_000_000.0)
    (2000, 1000, 100)
    >>> interval(5_000.0, capture=5_000_000)
    8000
    """
    usual = min(MAX_EVENTS, max(SHORT, round(REPLAY_BUDGET / cost)))
    return max(usual, round(_CAPTURE_RATIO * capture / cost))


class Snapshots:
    """Takes the snapshots of one system's actors; any thread may use it."""

    def __init__(self, clock: Clock, writer: SnapshotWriter) -> None:
        """Pass the snapshots to ``writer``."""
        self._clock = clock
        self._writer = writer
        self._costs: dict[str, float] = {}  # ns to replay one event, by category
        self._first_versions: dict[str, int] = {}  # cached results of first(), by category

    def first(self, decider: Decider[Any]) -> int:
        """The version of the first snapshot of a new stream."""
        first = self._first_versions.get(decider.category)
        if first is None:
            first = self._interval(decider, 0) if takes_snapshots(decider) else NEVER
            self._first_versions[decider.category] = first
        return first

    def next_after(self, decider: Decider[Any], found: RecoveredState, took: int) -> int:
        """The version of the next snapshot of an actor that was recovered in ``took`` ns."""
        if not takes_snapshots(decider):
            return NEVER
        events = found.version - found.snapshot
        if events >= SHORT and took > 0:
            before = self._costs.get(decider.category)
            cost = took / events
            self._costs[decider.category] = cost if before is None else (before + cost) / 2
            self._first_versions.pop(decider.category, None)
        return found.snapshot + self._interval(decider, 0)

    def capture(
        self,
        decider: Decider[Any],
        stream: str,
        state: Any,
        version: int,
        promises: Promises = NO_PROMISES,
    ) -> tuple[bytes | None, int]:
        """The encoded ``state`` and the version of the next snapshot; never raises.

        Called on the thread that owns ``state``; ``None`` if it cannot be encoded: that is logged.
        """
        begun = self._clock.monotonic()
        encoded = _encoded(decider, stream, state, promises)
        took = self._clock.monotonic() - begun
        if encoded is None:
            return None, 2 * version + MAX_EVENTS  # it will fail again: try less and less often
        return encoded, version + self._interval(decider, took)

    def keep(self, decider: Decider[Any], stream: str, version: int, encoded: bytes) -> None:
        """Write the captured state after ``version``, which is committed, soon."""
        self._put(decider, stream, version, lambda: encoded, len(encoded))

    def leave(
        self,
        decider: Decider[Any],
        stream: str,
        version: int,
        snapshot: int,
        state: Any,
        promises: Promises = NO_PROMISES,
    ) -> None:
        """Write the ``state`` of an actor that left memory, if enough events follow the last one.

        ``state`` changes no more; ``snapshot`` is the version of the stored snapshot, 0 for none.
        """
        since_snapshot = version - snapshot
        if since_snapshot < SHORT and not decider.snapshot_every:
            return
        if takes_snapshots(decider) and since_snapshot >= max(1, self._interval(decider, 0) // 5):
            self._put(decider, stream, version, partial(_encoded, decider, stream, state, promises))

    def _interval(self, decider: Decider[Any], capture: int) -> int:
        cost = self._costs.get(decider.category, _DEFAULT_COST)
        return decider.snapshot_every or interval(cost, capture)

    def _put(
        self,
        decider: Decider[Any],
        stream: str,
        version: int,
        encode: Callable[[], bytes | None],
        size: int = 0,
    ) -> None:
        now = self._clock.now()
        self._writer.put(
            PendingSnapshot(stream, version, decider.snapshot_schema, now, encode, size)
        )


def _encoded(decider: Decider[Any], stream: str, state: Any, promises: Promises) -> bytes | None:
    try:
        encoded = encode_value(to_value(decider, state, promises))
        if len(encoded) > SNAPSHOT_LIMIT:
            raise PayloadTooLargeError("the state", len(encoded), SNAPSHOT_LIMIT)
    except Exception as error:  # noqa: BLE001 - user code; the actor continues without a snapshot
        logger.warning("no snapshot of %s is taken: %s", stream, error)
        return None
    return encoded
