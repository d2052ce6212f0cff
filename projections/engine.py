"""What the runner does, one batch at a time and without a thread: catch up, go live, rebuild.

Every committed step leaves each view equal to a fold of the log up to its cursor (invariant 8).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

from indelible.clock import Clock
from indelible.errors import EventDecodeError, UnknownEventTypeError, UnknownProjectionError
from indelible.events.event import RecordedEvent
from indelible.events.store import Cursor, EventStore
from indelible.events.types import EventTypes
from indelible.failpoints import Failpoints
from indelible.projections import cursors
from indelible.projections.feed import KEPT, Feed
from indelible.projections.lane import Batch, Lane, apply_or_park, apply_together
from indelible.projections.projection import Pair, Projection
from indelible.projections.rebuild import SUFFIX, Rebuild, drop_leftovers

_log = logging.getLogger(__name__)

BATCH = 1_000
"""Events a transaction: some 5 ms of the writer's time, of which appends wait for one at most."""

_FIRST_RETRY = 50_000_000  # ns
_LAST_RETRY = 5_000_000_000  # ns; an unavailable database is asked this often


class Engine:
    """Moves views along a log; one thread at a time, except where a method says otherwise."""

    def __init__(
        self,
        store: EventStore,
        types: EventTypes,
        projections: Iterable[Projection],
        clock: Clock,
        failpoints: Failpoints,
        *,
        batch: int = BATCH,
        kept: int = KEPT,
    ) -> None:
        """Touch nothing yet; ``clock`` only paces retries, ``kept`` is of :class:`Feed`."""
        self.feed = Feed(store, kept)
        self._limit = batch
        self.lanes: dict[str, Lane] = {}  # the live views, by name
        self.rebuilds: dict[str, Rebuild] = {}
        self._store = store
        self._decode = types.decode
        self._projections = {projection.name: projection for projection in projections}
        self._clock = clock
        self._failpoints = failpoints

    @property
    def names(self) -> Sequence[str]:
        """Names of all views; for any thread."""
        return tuple(self._projections)

    def open(self) -> None:
        """Learn where every view stands; a view of another version is rebuilt."""
        with self._store.read_views() as connection:
            stands = cursors.read_stands(connection)
        self.feed.expect(self._store.positions())
        for name, projection in self._projections.items():
            if name + SUFFIX in stands:
                with self._store.write_views() as connection:
                    drop_leftovers(connection, projection)
            stand = stands.get(name, cursors.Stand(projection.version, {}))
            if stand.version == projection.version:
                self.lanes[name] = Lane(projection, name, stand.cursor)
            else:
                _log.info("view %s changes its version, rebuilding", name)
                self.rebuild(name)

    def rebuild(self, name: str) -> Rebuild:
        """Begin to rebuild a view, or join a rebuild that has begun; for any thread.

        Raises:
            UnknownProjectionError: There is no such view.
            StoreError: The store cannot say where it ends.
        """
        projection = self._projections.get(name)
        if projection is None:
            raise UnknownProjectionError(name, self.names)
        return self.rebuilds.setdefault(name, Rebuild(projection, self._store.positions()))

    def step(self) -> bool:
        """Move every view on by one batch; whether there may be more to do at once."""
        self.feed.take()
        now = self._clock.monotonic()
        worked = False
        together: dict[tuple[tuple[int, int], ...], list[Lane]] = {}
        for lane in self._lanes():
            if lane.retry_at > now:
                continue
            if lane.suspect:
                worked |= self._alone(lane)
            else:
                together.setdefault(tuple(sorted(lane.cursor.items())), []).append(lane)
        for lanes in together.values():
            worked |= self._together(lanes)
        for rebuild in list(self.rebuilds.values()):
            worked |= self._prepare_or_swap(rebuild)
        self._forget()
        return worked

    def retry_in(self) -> float | None:
        """Seconds until a failed view is tried again, ``None`` if none has failed."""
        lanes = [*self.lanes.values(), *(rebuild.lane for rebuild in self.rebuilds.values())]
        times = [lane.retry_at for lane in lanes if lane.failures]
        if not times:
            return None
        return max(0, min(times) - self._clock.monotonic()) / 1e9

    def backlog(self) -> int:
        """Events known here that the hindmost live view has not applied."""
        return max((self.feed.behind(lane.cursor) for lane in self.lanes.values()), default=0)

    def covers(self, cursor: Cursor) -> bool:
        """Whether all views have applied everything up to ``cursor``; for any thread."""
        lanes = list(self.lanes.values())
        return len(lanes) == len(self._projections) and all(
            lane.cursor.get(shard, 0) >= position
            for lane in lanes
            for shard, position in cursor.items()
        )

    def _lanes(self) -> list[Lane]:
        growing = [
            rebuild.lane
            for rebuild in list(self.rebuilds.values())
            if rebuild.prepared and not rebuild.swapping
        ]
        return [*self.lanes.values(), *growing]

    def _together(self, lanes: list[Lane]) -> bool:
        try:
            batch = self._batch(lanes)
            if batch is None:
                return False
            apply_together(lanes, batch, self._store.write_views, self._before_commit)
        except Exception as error:  # noqa: BLE001 - whatever it was, each view now goes alone
            _log.debug("a batch for %s failed: %r", [lane.name for lane in lanes], error)
            for lane in lanes:
                lane.suspect = True
        return True

    def _alone(self, lane: Lane) -> bool:
        try:
            batch = self._batch([lane])
            if batch is None:
                lane.advance({})
                return False
            failed_before = lane.failures
            apply_or_park(lane, batch, self._store.write_views, self._before_commit)
        except Exception as error:  # noqa: BLE001 - it is tried again until it works
            self._failed(lane, error)
            return False
        if failed_before:
            _log.info("view %s goes on", lane.name)
        return True

    def _prepare_or_swap(self, rebuild: Rebuild) -> bool:
        lane = rebuild.lane
        if lane.retry_at > self._clock.monotonic():
            return False
        name = lane.projection.name
        live = self.lanes.get(name)
        try:
            if not rebuild.prepared:
                rebuild.prepare(self._store.write_views)
                return True
            cursor = live.cursor if live else {}
            if not (rebuild.swapping or rebuild.covers(cursor)):
                return False
            swapped = rebuild.swap(cursor, self._store.write_views, self._before_commit)
        except Exception as error:  # noqa: BLE001 - it is tried again until it works
            self._failed(lane, error)
            if live:
                live.suspect = True  # its rows may be the new ones
            return False
        if swapped is not None:
            self.lanes[name] = swapped
            del self.rebuilds[name]
        return True

    def _failed(self, lane: Lane, error: Exception) -> None:
        wait = min(_FIRST_RETRY << min(lane.failures, 10), _LAST_RETRY)
        lane.failures += 1
        lane.suspect = True
        lane.retry_at = self._clock.monotonic() + wait
        if lane.failures == 1:
            _log.warning("view %s cannot be written, trying again: %s", lane.name, error)

    def _batch(self, lanes: Sequence[Lane]) -> Batch | None:
        events = self.feed.read(lanes[0].cursor, self._limit)
        if not events:
            return None
        wanted = frozenset().union(*(lane.projection.event_types for lane in lanes))
        pairs: list[Pair] = []
        undecodable: list[tuple[RecordedEvent, Exception]] = []
        decode = self._decode
        for event in events:
            if event.type in wanted:
                try:
                    pairs.append((event, decode(event)))
                except (EventDecodeError, UnknownEventTypeError) as error:
                    undecodable.append((event, error))
        return Batch(pairs, undecodable, {event.shard: event.position for event in events})

    def _before_commit(self) -> None:
        self._failpoints.hit("view.before")

    def _forget(self) -> None:
        cursors_ = [lane.cursor for lane in self.lanes.values() if not lane.suspect]
        if cursors_:
            shards = set().union(*cursors_)
            self.feed.forget({s: min(c.get(s, 0) for c in cursors_) for s in shards})
