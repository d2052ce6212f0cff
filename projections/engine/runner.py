"""The thread that keeps all views up to date, politely: appends come first.

A lone event is applied at once; while more keep coming they pile up for some milliseconds, so
that a batch is worth its turn at the writer.  Views are behind the log, and never say otherwise.
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

_MANY = 2_000
"""Events that are worth a turn without waiting for more: two full batches."""

_HIGH_WATER = 15_000
"""Events that end that wait; memory keeps 20,000 before the rest must be read back."""

_BREATH = 0.007
"""Seconds after which views show an event while more keep coming: below the lag of DESIGN §9."""

_WINDOW = 0.030  # s over which a flood is measured: a few groups of the size that floods have
_LONGEST_PAUSE = 0.050  # s
_PATIENCE = 1.0  # s of a flood; what views lag at most for being polite
_FIRST_LOOK, _SLOWEST_LOOK = 0.010, 0.250  # s between looks at what another process moves


class ProjectionRunner:
    """Keeps views up to date with a store that this process writes; all methods are for any thread.

    Of several processes on one store each view is moved by one, which takes it when it is free.
    A store that was opened for reading has views and no runner: they stand where the others left
    them, and :meth:`indelible.projections.queries.view_queries.Views.lag` says how far behind that
    is.
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
        self._wake = threading.Condition(lock)  # the runner waits
        self._moved = threading.Condition(lock)  # others wait for the runner
        self._engine.feed.wake = self._wake.notify
        self._thread: threading.Thread | None = None
        self._asleep = False  # waits for an event, for any length of time
        self._stopping = False
        self._given_up = False  # it failed while it was stopping
        self._deadline = 0  # monotonic ns, once stopping
        self._hurried = 0  # callers that wait
        self._expected: Cursor = {}  # what they wait for
        self._unsubscribe: Callable[[], None] = lambda: None

    def start(self) -> None:
        """Follow the store, which must be open and owned, on a daemon thread of its own.

        Raises:
            StoreReadOnlyError: The store was opened for reading.
            SystemClosedError: The runner was stopped; make a new one.
            ThreadUnavailableError: The host gives no thread; nothing follows the store.
        """
        if self._store.state == "reading":
            raise StoreReadOnlyError(self._store.url, "only its owner keeps views up to date")
        if self._stopping:
            raise SystemClosedError("start()", "this runner was stopped")
        if self._thread is None:
            thread = threading.Thread(target=self._run, name="indelible-views", daemon=True)
            self._unsubscribe = self._store.subscribe(self._engine.feed.push)
            on_remote = getattr(self._store, "on_remote", None)
            if on_remote is not None:  # a hint only: without it the store is polled
                on_remote(self._look)
            self._thread = thread
            try:
                start_now(thread)
            except ThreadUnavailableError:
                self._thread = None
                self._unsubscribe()
                raise

    def stop(self, timeout: float = 5.0) -> None:
        """Apply what is committed so far, for at most ``timeout`` seconds, and end the thread.

        A rebuild that is not finished stops; the old view stays, and the next rebuild goes on.
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

        So a caller reads its own writes: pass ``store.positions()``.  ``False`` after
        ``timeout`` seconds, or when the runner stops first.  Views of other processes are looked
        up in the database.
        """
        deadline = self._clock.monotonic() + round(timeout * 1e9)
        try:
            with self._store.within(timeout):
                return self._come_to(cursor, deadline, view)
        except StoreUnavailableError:
            if self._clock.monotonic() < deadline:
                raise
            return False

    def _come_to(self, cursor: Cursor, deadline: int, view: str | None) -> bool:
        wanted = self._engine.names if view is None else (view,)
        pause = _FIRST_LOOK
        while self._wait_here(cursor, wanted, (deadline - self._clock.monotonic()) / 1e9):
            others = self._others(wanted)
            if not others or self._stand_behind(cursor, others):
                return True
            left = (deadline - self._clock.monotonic()) / 1e9
            if left <= 0 or (self._ended() and self._store.state != "reading"):
                return False
            with self._moved:
                self._moved.wait(min(pause, left))
            pause = min(2 * pause, _SLOWEST_LOOK)
        return False

    def covers(self, cursor: Cursor) -> bool:
        """Whether every view that this process moves has applied all up to ``cursor``."""
        return self._cover(cursor, self._engine.names)

    def _cover(self, cursor: Cursor, wanted: Collection[str]) -> bool:
        others = self._others(wanted)
        return self._engine.covers(cursor, [name for name in wanted if name not in others])

    def _others(self, wanted: Collection[str]) -> Collection[str]:
        """Those of ``wanted`` that other processes move."""
        if self._store.state == "reading":
            return wanted
        return [name for name in wanted if not self._engine.moves(name)]

    def _wait_here(self, cursor: Cursor, wanted: Collection[str], timeout: float) -> bool:
        with self._moved:
            for shard, position in cursor.items():
                self._expected[shard] = max(position, self._expected.get(shard, 0))
            self._hurried += 1
            self._wake.notify()
            try:
                self._moved.wait_for(lambda: self._cover(cursor, wanted) or self._ended(), timeout)
            finally:
                self._hurried -= 1
        return self._cover(cursor, wanted)

    def _stand_behind(self, cursor: Cursor, names: Collection[str]) -> bool:
        with self._store.read_views() as connection:
            stands = cursors.read_stands(connection)
        return all(name in stands and reaches(stands[name].cursor, cursor) for name in names)

    def rebuild(self, name: str, on_progress: Callable[[int, int], None] | None = None) -> int:
        """Build the view ``name`` anew beside the live one, swap them, and return its events.

        Blocks until done; appends and the other views go on meanwhile.  ``on_progress`` is called
        on this thread with the events done and to do; a rebuild that goes on where an earlier one
        was interrupted begins with what that one had done.  Whatever interrupts it, the old view
        stays.  A view that another process moves is moved by this one from the swap on.

        Raises:
            UnknownProjectionError: There is no such view.
            RebuildUnderWayError: Another process rebuilds it.
            SystemClosedError: The runner does not run, or stopped before the end.
        """
        rebuild = self._engine.rebuild(name)
        told: tuple[int, int] | None = None
        while True:
            with self._moved:
                self._wake.notify()
                while not (self._ended() or rebuild.over or rebuild.news(told)):
                    self._moved.wait()
            if rebuild.refused:
                raise RebuildUnderWayError(name)
            if told is None and rebuild.prepared and on_progress is not None:
                on_progress(rebuild.resumed, rebuild.progress()[1])
            told = rebuild.progress()
            if on_progress is not None and rebuild.prepared:
                on_progress(*told)
            if rebuild.finished:
                return told[0]
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
            self._leave()
            with self._moved:
                self._thread = None
                self._moved.notify_all()

    def _turn(self) -> bool:
        return not self._given_up and self._once()

    def _rest(self, seconds: float) -> None:
        with self._wake:
            self._given_up = self._wake.wait_for(lambda: self._stopping, seconds)

    def _leave(self) -> None:
        try:
            self._engine.close()
        except Exception as error:  # noqa: BLE001 - then others wait for the lease to end
            _log.debug("the views were not given up: %r", error)

    def _look(self, *_: object) -> None:
        """Look at what another process says it has committed, as soon as there is time for it."""
        with self._wake:
            self._engine.look()
            if self._asleep:
                self._wake.notify()

    def _open(self) -> bool:
        """Learn where the views stand, however long the database is away; ``False`` to end."""
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

    def _once(self) -> bool:
        """One batch and the rest after it; ``False`` to end."""
        engine, clock = self._engine, self._clock
        began = clock.monotonic()
        with self._wake:
            expected, self._expected = self._expected, {}
        engine.feed.expect(expected)
        worked = engine.step()
        took = (clock.monotonic() - began) / 1e9
        with self._wake:
            self._moved.notify_all()
            if self._stopping:
                return worked and clock.monotonic() < self._deadline
            if worked:
                self._pause(took)
                self._sit_out(began)
            elif not engine.feed.pending and not self._expected:
                self._sleep()
                self._await_flood()
        return True

    def _pause(self, took: float) -> None:
        """Let events pile up: those that come while the batch after this one is applied wait too.

        Only when none has come meanwhile the next event is applied at once.
        """
        enough = _MANY - self._engine.backlog()
        if self._hurried or self._engine.feed.pending >= enough:
            return
        self._wait_for(enough, min(max(_BREATH - 2 * took, took), _LONGEST_PAUSE))

    def _sit_out(self, began: int) -> None:
        """If events have flooded in since ``began``, leave the host to them until they ebb.

        Of a flood that does not, as much is applied as comes in, from the high water on.
        """
        feed, left = self._engine.feed, _PATIENCE
        room = _HIGH_WATER - self._engine.backlog()
        arrived, seconds = feed.pending, (self._clock.monotonic() - began) / 1e9
        while arrived > FLOOD * max(seconds, _WINDOW) and feed.pending < room:
            if left <= 0 or self._hurried or self._stopping:
                return
            before, seconds = feed.pending, _WINDOW
            self._wait_for(room, _WINDOW)
            arrived, left = feed.pending - before, left - _WINDOW

    def _await_flood(self) -> None:
        """If many events come at once, see whether they are the first of a flood."""
        began = self._clock.monotonic()
        if self._engine.feed.pending > FLOOD * _WINDOW and not (self._hurried or self._stopping):
            self._wait_for(_HIGH_WATER, _WINDOW)
            self._sit_out(began)

    def _wait_for(self, pending: int, timeout: float) -> None:
        feed = self._engine.feed
        feed.wake_at = pending
        self._wake.wait(timeout)
        feed.wake_at = 0

    def _sleep(self) -> None:
        """Wait for the next event, or until something is due without one."""
        feed = self._engine.feed
        feed.wake_at, self._asleep = 1, True
        self._wake.wait(self._engine.due_in())
        feed.wake_at, self._asleep = 0, False
