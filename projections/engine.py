"""What the runner does, one batch at a time and without a thread: catch up, go live, rebuild.

Every committed step leaves each view equal to a fold of the log up to its cursor (invariant 8).
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Sequence
from functools import partial

import sqlalchemy as sa

from indelible.clock import Clock
from indelible.errors import RoleLostError, UnknownProjectionError
from indelible.events.store import Cursor, EventStore
from indelible.events.types import EventTypes
from indelible.failpoints import Failpoints
from indelible.projections import cursors
from indelible.projections.batch import Batch, make_batch
from indelible.projections.custom import CustomView
from indelible.projections.deciding import Decider
from indelible.projections.durability import wait_for_disk
from indelible.projections.feed import KEPT, Feed
from indelible.projections.lane import Lane, apply_or_park, apply_together
from indelible.projections.polling import POLL, Polling
from indelible.projections.projection import Projection
from indelible.projections.rebuild import SUFFIX, Rebuild
from indelible.projections.standing import standing, within
from indelible.projections.tenure import LEASE, Tenure

_log = logging.getLogger(__name__)

BATCH = 1_000
"""Events a transaction: some 5 ms of the writer's time, of which appends wait for one at most."""

_FIRST_RETRY = 50_000_000  # ns
_LAST_RETRY = 5_000_000_000  # ns; an unavailable database is asked this often

_COMPARE = 3_000_000_000
"""ns between looks whether the rows still stand where they were left: a server may have crashed."""

_LOOK_AGAIN = 30_000_000_000
"""ns between looks whether a view is of newer code still."""


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
        owner: str = "",
        lease: float = LEASE,
        batch: int = BATCH,
        kept: int = KEPT,
    ) -> None:
        """Touch nothing yet.

        Args:
            store: The log, and the database of the views.
            types: How events are decoded.
            projections: The views; an engine needs its own.
            clock: Paces retries, leases and looks at the store.
            failpoints: Armed in tests.
            owner: This process, as no other is called; where several share a store.
            lease: Seconds after which another process may move the views of this one.
            batch: Events of one transaction.
            kept: Of :class:`Feed`.
        """
        self.feed = Feed(store, kept)
        self._limit = batch
        self.lanes: dict[str, Lane] = {}  # the live views that this process moves, by name
        self.rebuilds: dict[str, Rebuild] = {}
        self._store = store
        self._types = types
        self._projections = {projection.name: projection for projection in projections}
        self._clock = clock
        self._failpoints = failpoints
        self._tenure = Tenure(store, clock, owner, lease)
        self._decide = Decider(store, types).carry_out
        self._left: dict[str, int] = {}  # views of newer code, and when to look at them again
        self._compare_at = 0  # on the monotonic clock
        self._polling = Polling(store, self.feed)

    @property
    def names(self) -> Sequence[str]:
        """Names of all views; for any thread."""
        return tuple(self._projections)

    def moves(self, name: str) -> bool:
        """Whether this process moves the view ``name``, as far as is known; for any thread."""
        return name in self._projections and self._tenure.holds(name)

    def open(self) -> None:
        """Learn where every view stands; a view of another version is rebuilt.

        Where several processes share the store, a newer one is left to those that know it.
        """
        self._tenure.open()
        if self._tenure.shared:
            self.feed.rest()  # until there is a view to move
            self._look_around(self._clock.monotonic())
        else:
            self._gain(self.names)

    def close(self) -> None:
        """Let other processes move the views at once."""
        self._tenure.close()

    def rebuild(self, name: str) -> Rebuild:
        """Begin to rebuild a view, or join a rebuild that has begun; for any thread.

        Raises:
            UnknownProjectionError: There is no such view.
            StoreError: The store cannot say where it ends.
        """
        projection = self._projections.get(name)
        if projection is None:
            raise UnknownProjectionError(name, self.names)
        self._left.pop(name, None)
        return self.rebuilds.setdefault(name, Rebuild(projection, self._store.positions()))

    def step(self) -> bool:
        """Move every view on by one batch; whether there may be more to do at once."""
        now = self._clock.monotonic()
        if self._tenure.shared:
            self._look_around(now)
        self.feed.take()
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

    def look(self) -> None:
        """Look at what others have committed in the next step; for any thread."""
        self._polling.hint()

    def due_in(self) -> float | None:
        """Seconds until there is something to do without new events here, ``None`` for never."""
        now = self._clock.monotonic()
        lanes = list(self.lanes.values())
        times = [max(0, lane.retry_at - now) / 1e9 for lane in lanes if lane.failures]
        growing = [rebuild.lane for rebuild in list(self.rebuilds.values())]
        times += [max(POLL, lane.retry_at - now) / 1e9 for lane in growing]
        if self._tenure.shared:
            tend = self._tenure.due_in(self._may_take(now))
            times += [] if tend is None else [tend]
            times += [] if self.feed.idle else [max(0, self._polling.due_at - now) / 1e9]
        return min(times, default=None)

    def backlog(self) -> int:
        """Events known here that the hindmost live view has not applied."""
        return max((self.feed.behind(lane.cursor) for lane in self.lanes.values()), default=0)

    def covers(self, cursor: Cursor, names: Collection[str] | None = None) -> bool:
        """Whether all views, or ``names``, have applied all up to ``cursor``; for any thread."""
        lanes = dict(self.lanes)
        wanted = self._projections if names is None else names
        return all(name in lanes and reaches(lanes[name].cursor, cursor) for name in wanted)

    # -- which views this process moves

    def _look_around(self, now: int) -> None:
        """Keep and take views, and see what other processes have committed."""
        try:
            self._tenure.tend(self._may_take(now))
            for name in list(self.lanes):
                if not self._tenure.holds(name):
                    self._lose(name)
            # Not only those that were taken now: reading where they stand may have failed then.
            held = [name for name in self._projections if self._tenure.holds(name)]
            self._gain([n for n in held if n not in self.lanes and n not in self.rebuilds])
            self.feed.idle = self.feed.idle and not (self.lanes or self.rebuilds)
            if now >= self._compare_at:
                self._compare()
                self._compare_at = now + _COMPARE
            if now >= self._polling.due_at and not self.feed.idle:
                self._polling.look(now)
        except Exception as error:  # noqa: BLE001 - it is tried again until it works
            _log.debug("the store does not say who moves the views: %r", error)
            self._polling.put_off(now)

    def _compare(self) -> None:
        """Go back to where the rows stand, if that is elsewhere."""
        with self._store.read_views() as connection:
            stands = cursors.read_stands(connection)
        for name, lane in self.lanes.items():
            stand = stands.get(name)
            cursor = stand.cursor if stand is not None else {}
            if stand is not None and stand.version == cursors.DAMAGED:
                if name not in self.rebuilds:
                    _log.error("view %s does not know where it stands, rebuilding", name)
                    self.rebuild(name)
            elif not lane.suspect and cursor != lane.cursor:
                _log.warning("view %s does not stand where it was left, going on from there", name)
                lane.stand_at(cursor)

    def _gain(self, names: Sequence[str]) -> None:
        """Begin to move ``names`` from where they stand."""
        if not names:
            return
        views = [self._projections[name] for name in names]
        self._make_tables([view for view in views if isinstance(view, CustomView)])
        with self._store.read_views() as connection:
            stands = standing(connection, views)
        ends = self._store.positions()  # read later: the log only grows
        self.feed.expect(ends)
        for view in views:
            name, stand = view.name, within(stands[view.name], ends)
            if stand.version == view.version:
                self.lanes[name] = Lane(view, name, stand.cursor)
            elif stand.version > view.version and self._tenure.shared and name not in self.rebuilds:
                self._leave(name)
            else:
                lost = stand.version == cursors.DAMAGED
                why = "does not know where it stands" if lost else "changes its version"
                _log.info("view %s %s, rebuilding", name, why)
                self.rebuild(name)

    def _make_tables(self, own: Sequence[CustomView]) -> None:
        if own:
            with self._store.write_views() as connection:
                wait_for_disk(connection)
                for view in own:
                    view.make_tables(connection)

    def _may_take(self, now: int) -> Sequence[str]:
        """The views that are not left to others for the moment."""
        return [name for name in self._projections if self._left.get(name, 0) <= now]

    def _leave(self, name: str) -> None:
        """Leave a view to processes whose code knows its rows."""
        if name not in self._left:
            _log.warning("view %s is left to newer code, which has made its rows", name)
        self._left[name] = self._clock.monotonic() + _LOOK_AGAIN
        self._tenure.give_up(name)

    def _lose(self, name: str) -> None:
        """Stop moving the view of the cursor ``name``, which another process has taken."""
        self._tenure.lose(name)
        self.lanes.pop(name, None)
        rebuild = self.rebuilds.get(name.removesuffix(SUFFIX))
        if rebuild is not None and rebuild.lane.name == name:
            rebuild.refused = True
            del self.rebuilds[rebuild.lane.projection.name]
        if not (self.lanes or self.rebuilds):
            self.feed.rest()

    # -- moving them

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
            begin = partial(self._tenure.begin, [lane.name for lane in lanes])
            apply_together(lanes, batch, begin, self._decide, self._before_commit)
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
            begin = partial(self._tenure.begin, [lane.name])
            apply_or_park(lane, batch, begin, self._decide, self._before_commit)
        except RoleLostError:
            self._lose(lane.name)
            return True
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
        try:
            if not rebuild.prepared:
                return self._prepare(rebuild)
            if not self._tenure.holds(name) and rebuild.covers({}):
                self._gain(self._tenure.take([name], by_force=True))
            live = self.lanes.get(name)
            cursor = live.cursor if live else {}
            if not (rebuild.swapping or rebuild.covers(cursor)):
                return False
            swapped = rebuild.swap(
                cursor, self._tenure.begin, partial(self._before_swap, lane.name)
            )
        except RoleLostError as error:
            self._lose(error.role)
            return True
        except Exception as error:  # noqa: BLE001 - it is tried again until it works
            self._failed(lane, error)
            if name in self.lanes:
                self.lanes[name].suspect = True  # its rows may be the new ones
            return False
        if swapped is not None:
            self._tenure.left(lane.name)
            self.lanes[name] = swapped
            del self.rebuilds[name]
        return True

    def _prepare(self, rebuild: Rebuild) -> bool:
        lane = rebuild.lane
        if self._tenure.take([lane.name]):
            rebuild.prepare(self._tenure.begin)
            return True
        if lane.projection.name in self.lanes or not self._tenure.holds(lane.projection.name):
            self._lose(lane.name)  # somebody asked for it: they are told
        else:
            lane.retry_at = self._clock.monotonic() + _LAST_RETRY
        return False

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
        return make_batch(events, wanted, self._types)

    def _before_commit(self) -> None:
        self._failpoints.hit("view.before")

    def _before_swap(self, role: str, connection: sa.Connection) -> None:
        self._tenure.leave(connection, role)
        self._before_commit()

    def _forget(self) -> None:
        cursors_ = [lane.cursor for lane in self.lanes.values() if not lane.suspect]
        if cursors_:
            shards = set().union(*cursors_)
            self.feed.forget({s: min(c.get(s, 0) for c in cursors_) for s in shards})


def reaches(cursor: Cursor, other: Cursor) -> bool:
    """Whether ``cursor`` covers all of ``other``.

    >>> reaches({0: 5}, {0: 4, 1: 0}), reaches({0: 5}, {1: 1})
    (True, False)
    """
    return all(cursor.get(shard, 0) >= position for shard, position in other.items())
