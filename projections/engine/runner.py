"""The thread that keeps all views up to date; appends have priority.

Views lag behind the log, and their cursors say how far.
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
from indelible.events.lease.lease_term import LEASE
from indelible.events.model.event_types import EventTypes
from indelible.events.store import Cursor, EventStore
from indelible.failpoints import Failpoints
from indelible.loops import Loop
from indelible.projections.engine import view_cursors
from indelible.projections.engine.view_engine import Engine, reaches
from indelible.projections.engine.view_pacing import ViewPacing
from indelible.projections.views.view import View
from indelible.threads import start_now

_log = logging.getLogger(__name__)

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
        self._pacing = ViewPacing(self._engine.feed, self._engine.backlog, self._wake, clock)
        self._thread: threading.Thread | None = None
        self._asleep = False  # whether the thread waits for an event, without a time limit
        self._held = False  # whether no event is applied before release()
        self._burst_expected = False  # whether resumed work will append many events
        self._failed_stopping = False  # whether it failed while it was stopping
        self._deadline = 0  # monotonic ns, once stopping
        self._expected: Cursor = {}  # the positions for which they wait
        self._unsubscribe: Callable[[], None] = lambda: None

    def start(self, *, held: bool = False) -> None:
        """Follow the store, which must be open and owned, on a daemon thread of its own.

        Args:
            held: Whether to apply no event before :meth:`release`.

        Raises:
            StoreReadOnlyError: The store is open for reading.
            SystemClosedError: The runner was stopped; make a new one.
            ThreadUnavailableError: The host gives no thread; the views do not follow the store.
        """
        if self._store.state == "reading":
            raise StoreReadOnlyError(self._store.url, "only its owner keeps views up to date")
        if self._pacing.stopping:
            raise SystemClosedError("start()", "this runner was stopped")
        if self._thread is None:
            self._held = held
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

    def release(self, *, burst: bool) -> None:
        """Begin to apply events; with ``burst`` after those of the work that is resumed now."""
        with self._wake:
            self._held, self._burst_expected = False, burst
            self._wake.notify()

    def stop(self, timeout: float = 5.0) -> None:
        """Apply the committed events, for at most ``timeout`` seconds, and end the thread.

        An unfinished rebuild stops; the old view stays, and the next rebuild continues it.
        May be called twice.
        """
        with self._wake:
            self._pacing.stopping = True
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
            self._pacing.callers += 1
            self._wake.notify()
            try:
                self._moved.wait_for(
                    lambda: self._own_cover(cursor, wanted) or self._ended(), timeout
                )
            finally:
                self._pacing.callers -= 1
        return self._own_cover(cursor, wanted)

    def _stored_reach(self, cursor: Cursor, names: Collection[str]) -> bool:
        with self._store.read_views() as connection:
            found = view_cursors.read_view_cursors(connection)
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
                self._wait_for_release()
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
            self._failed_stopping = self._wake.wait_for(lambda: self._pacing.stopping, seconds)

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
                if self._wake.wait_for(lambda: self._pacing.stopping, pause):
                    return False
            pause = min(2 * pause, 5.0)

    def _wait_for_release(self) -> None:
        with self._wake:
            self._wake.wait_for(lambda: self._pacing.stopping or not self._held)
            if self._burst_expected:
                self._pacing.wait_out_burst()

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
            if self._pacing.stopping:
                return worked and clock.monotonic() < self._deadline
            if worked:
                self._pacing.wait_after_batch(began, took)
            elif not engine.feed.pending and not self._expected:
                self._sleep()
                self._pacing.wait_after_sleep()
        return True

    def _sleep(self) -> None:
        """Wait for the next event, or until the engine has work without one."""
        feed = self._engine.feed
        feed.wake_at, self._asleep = 1, True
        self._wake.wait(self._engine.due_in())
        feed.wake_at, self._asleep = 0, False
