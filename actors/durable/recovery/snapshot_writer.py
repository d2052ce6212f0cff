"""Writes captured states on its own thread, now and then, only the newest of each stream.

No append waits for it and nothing depends on it: a failed write is logged, and states beyond the
bounds are dropped.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import NamedTuple

from indelible.events.snapshots import Taken, keep_snapshots
from indelible.events.store import EventStore
from indelible.failpoints import Failpoints
from indelible.loops import Loop
from indelible.threads import refusals

logger = logging.getLogger("indelible.actors")

PAUSE = 1.0
"""Seconds between two writes: a busy stream then causes one write a second at most."""

_MAX_STREAMS = 1_000
"""Streams whose states may wait: bounds the memory ..."""

_MAX_BYTES = 64 * 1024 * 1024
"""... as does this bound on the bytes of encoded states that wait; a single state may exceed it."""

_TRANSACTION_BYTES = 1024 * 1024
"""Bytes of states in one transaction, as of a group commit; a single state may exceed it."""


class PendingSnapshot(NamedTuple):
    """A state that waits to be written.

    Attributes:
        stream, version, schema, taken_at: As of :class:`~indelible.events.snapshots.Taken`.
        encode: Returns its bytes, or ``None`` if it cannot be encoded; called by the writer.
        size: Bytes of memory held only for this snapshot.
    """

    stream: str
    version: int
    schema: str
    taken_at: int
    encode: Callable[[], bytes | None]
    size: int = 0


class SnapshotWriter:
    """One daemon thread, started when there is something to write; any thread may call it."""

    def __init__(self, store: EventStore, failpoints: Failpoints, *, threaded: bool = True) -> None:
        """Write to ``store``; on the calling thread, at once, if not ``threaded``."""
        self._store = store
        self._failpoints = failpoints
        self._threaded = threaded
        self._changed = threading.Condition()
        self._waiting: dict[str, PendingSnapshot] = {}
        self._thread: threading.Thread | None = None
        self._stopping = False

    def put(self, waiting: PendingSnapshot) -> None:
        """Write ``waiting`` soon, unless a newer state of its stream replaces it."""
        if not self._threaded:
            self._write([waiting])
            return
        with self._changed:
            if self._stopping:
                return
            others = [one for one in self._waiting.values() if one.stream != waiting.stream]
            if len(others) >= _MAX_STREAMS:
                return
            if others and sum(one.size for one in others) + waiting.size > _MAX_BYTES:
                return
            self._waiting[waiting.stream] = waiting
            self._changed.notify_all()
        if self._thread is None:
            self._begin()

    def _begin(self) -> None:
        with self._changed:
            if self._waiting and self._thread is None and not self._stopping:
                name = "indelible-snapshots"
                thread = threading.Thread(target=self._run, name=name, daemon=True)
                if refusals.start(thread, self._begin):
                    self._thread = thread

    def stop(self) -> None:
        """Write the waiting states and end the thread; later states are dropped."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        refusals.forget(self._begin)
        if self._thread is not None:
            self._thread.join()
        else:
            self._write(list(self._waiting.values()))

    def _run(self) -> None:
        Loop("indelible-snapshots").run(self._turn, self._rest)

    def _turn(self) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._stopping)
            self._changed.wait_for(lambda: self._stopping, PAUSE)
            waiting, self._waiting = self._waiting, {}
        if waiting:
            self._write(list(waiting.values()))
        return bool(waiting)

    def _rest(self, seconds: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._stopping, seconds)

    def _write(self, waiting: list[PendingSnapshot]) -> None:
        together: list[Taken] = []
        size = 0
        for one in waiting:
            encoded = one.encode()
            if encoded is None:
                continue
            if together and size + len(encoded) > _TRANSACTION_BYTES:
                self._keep(together)
                together, size = [], 0
            together.append(Taken(*one[:4], encoded))
            size += len(encoded)
        if together:
            self._keep(together)

    def _keep(self, taken: list[Taken]) -> None:
        try:
            self._failpoints.hit("snapshot.before")
            keep_snapshots(self._store, taken)
            self._failpoints.hit("snapshot.after")
        except Exception as error:  # noqa: BLE001 - the events are safe in any case
            names = ", ".join(f"{one.stream} at version {one.version}" for one in taken)
            logger.warning("snapshots are lost (%s): %s", error, names)
