"""Moves views along the log, one batch at a time and without a thread: catch up, follow, rebuild.

After every commit each view equals a fold of the log up to its cursor (invariant 8).
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Sequence
from functools import partial

import sqlalchemy as sa

from indelible.clock import Clock
from indelible.errors import RoleLostError, UnknownProjectionError
from indelible.events.lease.lease_term import LEASE
from indelible.events.model.event_types import EventTypes
from indelible.events.store import Cursor, EventStore
from indelible.failpoints import Failpoints
from indelible.projections.engine import view_cursors
from indelible.projections.engine.commit_durability import wait_for_disk
from indelible.projections.engine.cursor_check import checked_cursors, within
from indelible.projections.engine.event_feed import KEPT, EventFeed
from indelible.projections.engine.polling import POLL, Polling
from indelible.projections.engine.rebuild import SUFFIX, Rebuild
from indelible.projections.engine.view_batch import ViewBatch, make_batch
from indelible.projections.engine.view_ownership import ViewOwnership
from indelible.projections.engine.view_updater import ViewUpdater, apply_or_park, apply_together
from indelible.projections.parked.parked_decisions import ParkedDecisions
from indelible.projections.views.custom import CustomView
from indelible.projections.views.view import View

_log = logging.getLogger(__name__)

BATCH = 1_000
"""Events of one transaction: some 5 ms under the writer lock; appends wait for one at most."""

_FIRST_RETRY = 50_000_000  # ns
_LAST_RETRY = 5_000_000_000  # ns between retries of an unavailable database

_COMPARE = 3_000_000_000
"""Nanoseconds between comparisons with the stored cursors: a server may have crashed."""

_NEWER_CODE = 30_000_000_000
"""Nanoseconds between checks whether a view still has rows of newer code."""


class Engine:
    """Moves views along a log; for one thread at a time unless a method says otherwise."""

    def __init__(
        self,
        store: EventStore,
        types: EventTypes,
        projections: Iterable[View],
        clock: Clock,
        failpoints: Failpoints,
        *,
        owner: str = "",
        lease: float = LEASE,
        batch: int = BATCH,
        kept: int = KEPT,
    ) -> None:
        """No I/O yet.

        Args:
            store: The log, and the database of the views.
            types: Decode the events.
            projections: The views; an engine needs instances of its own.
            clock: Times retries, leases and polls.
            failpoints: Armed in tests.
            owner: Unique name of this process, if several share the store.
            lease: Seconds after which another process may move the views of this one.
            batch: Events of one transaction.
            kept: Events in memory, see :class:`EventFeed`.
        """
        self.feed = EventFeed(store, kept)
        self._limit = batch
        self.updaters: dict[str, ViewUpdater] = {}  # of the live views that this process moves
        self.rebuilds: dict[str, Rebuild] = {}
        self._store = store
        self._types = types
        self._projections = {projection.name: projection for projection in projections}
        self._clock = clock
        self._failpoints = failpoints
        self._view_ownership = ViewOwnership(store, clock, owner, lease)
        self._decide = ParkedDecisions(store, types).apply
        self._newer: dict[str, int] = {}  # views of newer code, and when to try them again
        self._compare_at = 0  # on the monotonic clock
        self._polling = Polling(store, self.feed)

    @property
    def names(self) -> Sequence[str]:
        """Names of all views; for any thread."""
        return tuple(self._projections)

    def moves(self, name: str) -> bool:
        """Whether this process moves the view ``name``, as far as is known; for any thread."""
        return name in self._projections and self._view_ownership.holds(name)

    def open(self) -> None:
        """Read the cursor of every view; a view of another version is rebuilt.

        If several processes share the store, a view of a newer version is left to newer code.
        """
        self._view_ownership.open()
        if self._view_ownership.shared:
            self.feed.pause()  # until this process moves a view
            self._update_views(self._clock.monotonic())
        else:
            self._gain(self.names)

    def close(self) -> None:
        """Release the views, so that other processes can move them at once."""
        self._view_ownership.close()

    def rebuild(self, name: str) -> Rebuild:
        """Begin to rebuild a view, or return the rebuild under way; for any thread.

        Raises:
            UnknownProjectionError: There is no such view.
            StoreError: The positions cannot be read.
        """
        projection = self._projections.get(name)
        if projection is None:
            raise UnknownProjectionError(name, self.names)
        self._newer.pop(name, None)
        return self.rebuilds.setdefault(name, Rebuild(projection, self._store.positions()))

    def step(self) -> bool:
        """Move every view by one batch; return whether there may be more to do at once."""
        now = self._clock.monotonic()
        if self._view_ownership.shared:
            self._update_views(now)
        self.feed.take()
        worked = False
        by_cursor: dict[tuple[tuple[int, int], ...], list[ViewUpdater]] = {}
        for updater in self._updaters():
            if updater.retry_at > now:
                continue
            if updater.suspect:
                worked |= self._apply_alone(updater)
            else:
                by_cursor.setdefault(tuple(sorted(updater.cursor.items())), []).append(updater)
        for updaters in by_cursor.values():
            worked |= self._apply_together(updaters)
        for rebuild in list(self.rebuilds.values()):
            worked |= self._prepare_or_swap(rebuild)
        self._forget()
        return worked

    def hint(self) -> None:
        """Poll for events of other processes in the next step; for any thread."""
        self._polling.hint()

    def due_in(self) -> float | None:
        """Return the seconds until there is work without new events, ``None`` for never."""
        now = self._clock.monotonic()
        updaters = list(self.updaters.values())
        times = [max(0, updater.retry_at - now) / 1e9 for updater in updaters if updater.failures]
        growing = [rebuild.updater for rebuild in list(self.rebuilds.values())]
        times += [max(POLL, updater.retry_at - now) / 1e9 for updater in growing]
        if self._view_ownership.shared:
            leases = self._view_ownership.due_in(self._may_take(now))
            times += [] if leases is None else [leases]
            times += [] if self.feed.idle else [max(0, self._polling.due_at - now) / 1e9]
        return min(times, default=None)

    def backlog(self) -> int:
        """Return how many known events the slowest live view has not applied."""
        return max((self.feed.lag(updater.cursor) for updater in self.updaters.values()), default=0)

    def covers(self, cursor: Cursor, names: Collection[str] | None = None) -> bool:
        """Whether all views, or ``names``, have applied all events up to ``cursor``.

        For any thread.
        """
        updaters = dict(self.updaters)
        wanted = self._projections if names is None else names
        return all(name in updaters and reaches(updaters[name].cursor, cursor) for name in wanted)

    # -- which views this process moves

    def _update_views(self, now: int) -> None:
        """Renew and take views, and poll for events of other processes."""
        try:
            self._view_ownership.renew_and_take(self._may_take(now))
            for name in list(self.updaters):
                if not self._view_ownership.holds(name):
                    self._lose(name)
            # Not only the views taken now: reading the cursors of earlier ones may have failed.
            held = [name for name in self._projections if self._view_ownership.holds(name)]
            self._gain([n for n in held if n not in self.updaters and n not in self.rebuilds])
            self.feed.idle = self.feed.idle and not (self.updaters or self.rebuilds)
            if now >= self._compare_at:
                self._compare()
                self._compare_at = now + _COMPARE
            if now >= self._polling.due_at and not self.feed.idle:
                self._polling.poll(now)
        except Exception as error:  # noqa: BLE001 - it is tried again until it succeeds
            _log.debug("the views' leases or the positions cannot be read: %r", error)
            self._polling.delay(now)

    def _compare(self) -> None:
        """Set the cursors of the views to the stored ones, if they differ."""
        with self._store.read_views() as connection:
            stored_cursors = view_cursors.read_view_cursors(connection)
        for name, updater in self.updaters.items():
            view_cursor = stored_cursors.get(name)
            cursor = view_cursor.cursor if view_cursor is not None else {}
            if view_cursor is not None and view_cursor.version == view_cursors.DAMAGED:
                if name not in self.rebuilds:
                    _log.error("the cursor of view %s is damaged, rebuilding", name)
                    self.rebuild(name)
            elif not updater.suspect and cursor != updater.cursor:
                _log.warning("the stored cursor of view %s has changed, continuing there", name)
                updater.set_cursor(cursor)

    def _gain(self, names: Sequence[str]) -> None:
        """Begin to move ``names`` from their stored cursors."""
        if not names:
            return
        views = [self._projections[name] for name in names]
        self._make_tables([view for view in views if isinstance(view, CustomView)])
        with self._store.read_views() as connection:
            stored_cursors = checked_cursors(connection, views)
        ends = self._store.positions()  # read after the cursors: the log only grows
        self.feed.note_committed(ends)
        for view in views:
            name, view_cursor = view.name, within(stored_cursors[view.name], ends)
            if view_cursor.version == view.version:
                self.updaters[name] = ViewUpdater(view, name, view_cursor.cursor)
            elif (
                view_cursor.version > view.version
                and self._view_ownership.shared
                and name not in self.rebuilds
            ):
                self._leave_to_newer_code(name)
            else:
                damaged = view_cursor.version == view_cursors.DAMAGED
                why = "has a damaged cursor" if damaged else "changes its version"
                _log.info("view %s %s, rebuilding", name, why)
                self.rebuild(name)

    def _make_tables(self, own: Sequence[CustomView]) -> None:
        if own:
            with self._store.write_views() as connection:
                wait_for_disk(connection)
                for view in own:
                    view.make_tables(connection)

    def _may_take(self, now: int) -> Sequence[str]:
        """Return the views that are not left to newer code now."""
        return [name for name in self._projections if self._newer.get(name, 0) <= now]

    def _leave_to_newer_code(self, name: str) -> None:
        """Leave a view to processes with newer code, which has made its rows."""
        if name not in self._newer:
            _log.warning("view %s is left to newer code, which has made its rows", name)
        self._newer[name] = self._clock.monotonic() + _NEWER_CODE
        self._view_ownership.give_up(name)

    def _lose(self, name: str) -> None:
        """Stop moving the view with the cursor ``name``, which another process has taken."""
        self._view_ownership.lose(name)
        self.updaters.pop(name, None)
        rebuild = self.rebuilds.get(name.removesuffix(SUFFIX))
        if rebuild is not None and rebuild.updater.name == name:
            rebuild.refused = True
            del self.rebuilds[rebuild.updater.projection.name]
        if not (self.updaters or self.rebuilds):
            self.feed.pause()

    # -- moving the views

    def _updaters(self) -> list[ViewUpdater]:
        growing = [
            rebuild.updater
            for rebuild in list(self.rebuilds.values())
            if rebuild.prepared and not rebuild.swapping
        ]
        return [*self.updaters.values(), *growing]

    def _apply_together(self, updaters: list[ViewUpdater]) -> bool:
        try:
            batch = self._batch(updaters)
            if batch is None:
                return False
            begin = partial(self._view_ownership.begin, [updater.name for updater in updaters])
            apply_together(updaters, batch, begin, self._decide, self._before_commit)
        except Exception as error:  # noqa: BLE001 - each view is then tried alone
            _log.debug("a batch for %s failed: %r", [updater.name for updater in updaters], error)
            for updater in updaters:
                updater.suspect = True
        return True

    def _apply_alone(self, updater: ViewUpdater) -> bool:
        try:
            batch = self._batch([updater])
            if batch is None:
                updater.advance({})
                return False
            failed_before = updater.failures
            begin = partial(self._view_ownership.begin, [updater.name])
            apply_or_park(updater, batch, begin, self._decide, self._before_commit)
        except RoleLostError:
            self._lose(updater.name)
            return True
        except Exception as error:  # noqa: BLE001 - it is tried again until it succeeds
            self._failed(updater, error)
            return False
        if failed_before:
            _log.info("view %s goes on", updater.name)
        return True

    def _prepare_or_swap(self, rebuild: Rebuild) -> bool:
        updater = rebuild.updater
        if updater.retry_at > self._clock.monotonic():
            return False
        name = updater.projection.name
        try:
            if not rebuild.prepared:
                return self._prepare(rebuild)
            if not self._view_ownership.holds(name) and rebuild.covers({}):
                self._gain(self._view_ownership.take([name], by_force=True))
            live = self.updaters.get(name)
            cursor = live.cursor if live else {}
            if not (rebuild.swapping or rebuild.covers(cursor)):
                return False
            swapped = rebuild.swap(
                cursor, self._view_ownership.begin, partial(self._before_swap, updater.name)
            )
        except RoleLostError as error:
            self._lose(error.role)
            return True
        except Exception as error:  # noqa: BLE001 - it is tried again until it succeeds
            self._failed(updater, error)
            if name in self.updaters:
                self.updaters[name].suspect = True  # its rows may be the new ones
            return False
        if swapped is not None:
            self._view_ownership.forget(updater.name)
            self.updaters[name] = swapped
            del self.rebuilds[name]
        return True

    def _prepare(self, rebuild: Rebuild) -> bool:
        updater = rebuild.updater
        if self._view_ownership.take([updater.name]):
            rebuild.prepare(self._view_ownership.begin)
            return True
        if updater.projection.name in self.updaters or not self._view_ownership.holds(
            updater.projection.name
        ):
            self._lose(updater.name)  # a caller asked for the rebuild, which is refused
        else:
            updater.retry_at = self._clock.monotonic() + _LAST_RETRY
        return False

    def _failed(self, updater: ViewUpdater, error: Exception) -> None:
        wait = min(_FIRST_RETRY << min(updater.failures, 10), _LAST_RETRY)
        updater.failures += 1
        updater.suspect = True
        updater.retry_at = self._clock.monotonic() + wait
        if updater.failures == 1:
            _log.warning("view %s cannot be written, trying again: %s", updater.name, error)

    def _batch(self, updaters: Sequence[ViewUpdater]) -> ViewBatch | None:
        events = self.feed.read(updaters[0].cursor, self._limit)
        if not events:
            return None
        wanted = frozenset().union(*(updater.projection.event_types for updater in updaters))
        return make_batch(events, wanted, self._types)

    def _before_commit(self) -> None:
        self._failpoints.hit("view.before")

    def _before_swap(self, role: str, connection: sa.Connection) -> None:
        self._view_ownership.leave(connection, role)
        self._before_commit()

    def _forget(self) -> None:
        cursors_ = [updater.cursor for updater in self.updaters.values() if not updater.suspect]
        if cursors_:
            shards = set().union(*cursors_)
            self.feed.forget({s: min(c.get(s, 0) for c in cursors_) for s in shards})


def reaches(cursor: Cursor, other: Cursor) -> bool:
    """Whether ``cursor`` covers all of ``other``.

    >>> reaches({0: 5}, {0: 4, 1: 0}), reaches({0: 5}, {1: 1})
    (True, False)
    """
    return all(cursor.get(shard, 0) >= position for shard, position in other.items())
