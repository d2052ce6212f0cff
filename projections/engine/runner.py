"""The thread that keeps all views up to date; appends have priority.

A single event is applied at once.  While more arrive, they are collected for some milliseconds, so
that a batch is worth the writer lock.  Views lag behind the log, and their cursors say how far.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterable

from indelible.clock import Clock
from indelible.errors import (
    RebuildUnderWayError,
    StoreReadOnlyError,
    StoreUnavailableError,
    SystemClosedError,
    ThreadUnavailableError,
)
from indelible.events.model.event_types import EventTypes
from indelible.events.store import Cursor, EventStore
from indelible.failpoints import Failpoints
from indelible.loops import Loop
from indelible.projections.engine import view_cursors as cursors
from indelible.projections.engine.event_feed import FLOOD
from indelible.projections.engine.view_engine import Engine, reaches
from indelible.projections.engine.view_ownership import LEASE
from indelible.projections.views.view import View
from indelible.threads import start_now

_log = logging.getLogger(__name__)

_ENOUGH = 2_000
"""Events that are applied without collecting more: two full batches."""

_FLOOD_BATCH = 15_000
"""Events that end the wait in a flood; memory keeps 20,000, more must be read from the rows."""

_COLLECT = 0.007
"""Seconds after which views show an event while more arrive: below the lag of DESIGN §9."""

_WINDOW = 0.030  # seconds over which a flood is measured: a few groups of a flood's size
_LONGEST_PAUSE = 0.050  # seconds
_LONGEST_FLOOD = 1.0  # seconds for which views wait in a flood
_FIRST_POLL, _LAST_POLL = 0.010, 0.250  # seconds between polls of other processes' views


class ProjectionRunner:
    """Keeps views up to date with a store that this process writes; its methods are for any thread.

    If several processes share a store, each view is moved by one of them, which takes it when it is
    free.  A store that is open for reading has no runner: its views are as other processes left
    them, and :meth:`indelible.projections.queries.view_queries.Views.lag` tells how far they are
    behind.
    """

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
    ) -> None:
        """No I/O and no thread yet; the arguments are those of :class:`Engine`."""
        self._store = store
        self._clock = clock
        self._engine = Engine(
            store, types, projections, clock, failpoints, owner=owner, lease=lease
        )
        lock = self._engine.feed.lock
        self._wake = threading.Condition(lock)  # the runner's thread waits for it
        self._moved = threading.Condition(lock)  # callers wait for it
        self._engine.feed.wake = self._wake.notify
        self._thread: threading.Thread | None = None
        self._asleep = False  # whether the thread waits for an event, without a time limit
        self._stopping = False
        self._failed_stopping = False  # whether it failed while it was stopping
        self._deadline = 0  # monotonic ns, once stopping
        self._callers = 0  # callers that wait
        self._expected: Cursor = {}  # the positions for which they wait
        self._unsubscribe: Callable[[], None] = lambda: None

    def start(self) -> None:
        """Follow the store, which must be open and owned, on a daemon thread of its own.

        Raises:
            StoreReadOnlyError: The store is open for reading.
            SystemClosedError: The runner was stopped; make a new one.
            ThreadUnavailableError: The host gives no thread; the views do not follow the store.
        """
        if self._store.state == "reading":
            raise StoreReadOnlyError(self._store.url, "only its owner keeps views up to date")
        if self._stopping:
            raise SystemClosedError("start()", "this runner was stopped")
        if self._thread is None:
            thread = threading.Thread(target=self._run, name="indelible-views", daemon=True)
            self._unsubscribe = self._store.subscribe(self._engine.feed.push)
            on_remote = getattr(self._store, "on_remote", None)
            if on_remote is not None:  # hints may be lost: the store is polled too
                on_remote(self._on_hint)
            self._thread = thread
            try:
                start_now(thread)
            except ThreadUnavailableError:
                self._thread = None
                self._unsubscribe()
                raise

    def stop(self, timeout: float = 5.0) -> None:
        """Apply the committed events, for at most ``timeout`` seconds, and end the thread.

        An unfinished rebuild stops; the old view stays, and the next rebuild continues it.
        May be called twice.
        """
        with self._wake:
            self._stopping = True
            self._deadline = self._clock.monotonic() + round(timeout * 1e9)
            self._wake.notify()
            self._moved.notify_all()
        thread = self._thread
        if thread is not None:
            thread.join(timeout + 1)
            if thread.is_alive():
                _log.warning("the views' thread did not end within %g s", timeout + 1)
        self._unsubscribe()

    def caught_up(self, cursor: Cursor, timeout: float, view: str | None = None) -> bool:
        """Wait until every view, or ``view``, has applied (or parked) all events up to ``cursor``.

        A caller reads its own writes if it passes ``store.positions()``.  Returns ``False`` after
        ``timeout`` seconds, or if the runner stops first.  The cursors of views that other
        processes move are read from the database.
        """
        deadline = self._clock.monotonic() + round(timeout * 1e9)
        try:
            with self._store.within(timeout):
                return self._wait_for_cursor(cursor, deadline, view)
        except StoreUnavailableError:
            if self._clock.monotonic() < deadline:
                raise
            return False

    def _wait_for_cursor(self, cursor: Cursor, deadline: int, view: str | None) -> bool:
        wanted = self._engine.names if view is None else (view,)
        pause = _FIRST_POLL
        while self._wait_for_own(cursor, wanted, (deadline - self._clock.monotonic()) / 1e9):
            others = self._of_others(wanted)
            if not others or self._stored_reach(cursor, others):
                return True
            left = (deadline - self._clock.monotonic()) / 1e9
            if left <= 0 or (self._ended() and self._store.state != "reading"):
                return False
            with self._moved:
                self._moved.wait(min(pause, left))
            pause = min(2 * pause, _LAST_POLL)
        return False

    def covers(self, cursor: Cursor) -> bool:
        """Whether every view that this process moves has applied all events up to ``cursor``."""
        return self._own_cover(cursor, self._engine.names)

    def _own_cover(self, cursor: Cursor, wanted: Collection[str]) -> bool:
        others = self._of_others(wanted)
        return self._engine.covers(cursor, [name for name in wanted if name not in others])

    def _of_others(self, wanted: Collection[str]) -> Collection[str]:
        """Return the views in ``wanted`` that other processes move."""
        if self._store.state == "reading":
            return wanted
        return [name for name in wanted if not self._engine.moves(name)]

    def _wait_for_own(self, cursor: Cursor, wanted: Collection[str], timeout: float) -> bool:
        with self._moved:
            for shard, position in cursor.items():
                self._expected[shard] = max(position, self._expected.get(shard, 0))
            self._callers += 1
            self._wake.notify()
            try:
                self._moved.wait_for(
                    lambda: self._own_cover(cursor, wanted) or self._ended(), timeout
                )
            finally:
                self._callers -= 1
        return self._own_cover(cursor, wanted)

    def _stored_reach(self, cursor: Cursor, names: Collection[str]) -> bool:
        with self._store.read_views() as connection:
            found = cursors.read_view_cursors(connection)
        return all(name in found and reaches(found[name].cursor, cursor) for name in names)

    def rebuild(self, name: str, on_progress: Callable[[int, int], None] | None = None) -> int:
        """Rebuild the view ``name`` beside the live one, swap them, and return its events.

        Blocks until done; appends and other views continue meanwhile.  ``on_progress`` is called on
        this thread with the events applied and the events in total; if it continues an interrupted
        rebuild, the first call has that one's events.  If it is interrupted, the old view stays.
        A view that another process moves is moved by this one after the swap.

        Raises:
            UnknownProjectionError: There is no such view.
            RebuildUnderWayError: Another process rebuilds it.
            SystemClosedError: The runner does not run, or stopped before the end.
        """
        rebuild = self._engine.rebuild(name)
        reported: tuple[int, int] | None = None
        while True:
            with self._moved:
                self._wake.notify()
                while not (self._ended() or rebuild.over or rebuild.has_moved(reported)):
                    self._moved.wait()
            if rebuild.refused:
                raise RebuildUnderWayError(name)
            if reported is None and rebuild.prepared and on_progress is not None:
                on_progress(rebuild.resumed, rebuild.progress()[1])
            reported = rebuild.progress()
            if on_progress is not None and rebuild.prepared:
                on_progress(*reported)
            if rebuild.finished:
                return reported[0]
            if self._ended():
                raise SystemClosedError(
                    f"rebuild({name!r})", "the views' thread ended first; the old view stays"
                )

    def _ended(self) -> bool:
        return self._thread is None or not self._thread.is_alive()

    # -- the thread

    def _run(self) -> None:
        try:
            if self._open():
                Loop("indelible-views").run(self._turn, self._rest)
        finally:
            self._close_engine()
            with self._moved:
                self._thread = None
                self._moved.notify_all()

    def _turn(self) -> bool:
        return not self._failed_stopping and self._step()

    def _rest(self, seconds: float) -> None:
        with self._wake:
            self._failed_stopping = self._wake.wait_for(lambda: self._stopping, seconds)

    def _close_engine(self) -> None:
        try:
            self._engine.close()
        except Exception as error:  # noqa: BLE001 - other processes wait for the leases to end
            _log.debug("the views were not given up: %r", error)

    def _on_hint(self, *_: object) -> None:
        """Poll soon: another process has committed events."""
        with self._wake:
            self._engine.hint()
            if self._asleep:
                self._wake.notify()

    def _open(self) -> bool:
        """Read the views' cursors, retrying while the database fails; ``False`` to end."""
        pause = 0.05
        while True:
            try:
                self._engine.open()
                return True
            except Exception as error:  # noqa: BLE001 - it is tried again until it works
                _log.warning("the views cannot be read, trying again: %s", error)
            with self._wake:
                if self._stopping or self._wake.wait_for(lambda: self._stopping, pause):
                    return False
            pause = min(2 * pause, 5.0)

    def _step(self) -> bool:
        """Apply one batch and pause; ``False`` to end."""
        engine, clock = self._engine, self._clock
        began = clock.monotonic()
        with self._wake:
            expected, self._expected = self._expected, {}
        engine.feed.note_committed(expected)
        worked = engine.step()
        took = (clock.monotonic() - began) / 1e9
        with self._wake:
            self._moved.notify_all()
            if self._stopping:
                return worked and clock.monotonic() < self._deadline
            if worked:
                self._pause(took)
                self._wait_out_flood(began)
            elif not engine.feed.pending and not self._expected:
                self._sleep()
                self._check_for_flood()
        return True

    def _pause(self, took: float) -> None:
        """Collect events: those that arrive while the next batch is applied wait as well.

        If none has arrived meanwhile, the next event is applied at once.
        """
        enough = _ENOUGH - self._engine.backlog()
        if self._callers or self._engine.feed.pending >= enough:
            return
        self._wait_for(enough, min(max(_COLLECT - 2 * took, took), _LONGEST_PAUSE))

    def _wait_out_flood(self, began: int) -> None:
        """If a flood of events has arrived since ``began``, wait until it ends.

        If it does not end, ``_FLOOD_BATCH`` events end the wait, so that views keep pace.
        """
        feed, left = self._engine.feed, _LONGEST_FLOOD
        room = _FLOOD_BATCH - self._engine.backlog()
        arrived, seconds = feed.pending, (self._clock.monotonic() - began) / 1e9
        while arrived > FLOOD * max(seconds, _WINDOW) and feed.pending < room:
            if left <= 0 or self._callers or self._stopping:
                return
            before, seconds = feed.pending, _WINDOW
            self._wait_for(room, _WINDOW)
            arrived, left = feed.pending - before, left - _WINDOW

    def _check_for_flood(self) -> None:
        """If many events arrive at once, find out whether a flood begins."""
        began = self._clock.monotonic()
        if self._engine.feed.pending > FLOOD * _WINDOW and not (self._callers or self._stopping):
            self._wait_for(_FLOOD_BATCH, _WINDOW)
            self._wait_out_flood(began)

    def _wait_for(self, pending: int, timeout: float) -> None:
        feed = self._engine.feed
        feed.wake_at = pending
        self._wake.wait(timeout)
        feed.wake_at = 0

    def _sleep(self) -> None:
        """Wait for the next event, or until the engine has work without one."""
        feed = self._engine.feed
        feed.wake_at, self._asleep = 1, True
        self._wake.wait(self._engine.due_in())
        feed.wake_at, self._asleep = 0, False
