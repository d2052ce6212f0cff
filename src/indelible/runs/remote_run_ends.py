"""Waiting for the ends of runs that other processes execute: one thread polls for all waiters."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Sequence

from indelible.actors.runtime.future import PooledFuture
from indelible.actors.workflow.state.run_state import RESUMED, RunState
from indelible.errors import IndelibleError, StoreCorruptError, SystemClosedError, UnknownRunError
from indelible.events.store import EventStore
from indelible.forks import watch
from indelible.threads import refusals

_MIN_PAUSE, _MAX_PAUSE = 0.010, 0.250
"""Seconds between polls: short for a new waiter, then longer."""

_PAUSE_DIVISOR = 2  # the next pause is the time that the newest has waited, divided by this
_FEW = 8  # runs that are queried one by one; more are queried together

logger = logging.getLogger("indelible.clients")

End = PooledFuture[RunState]


class RemoteRunEnds:
    """The waiters of each run; any thread may call any method; a waiter holds no thread."""

    def __init__(
        self, store: EventStore, state: Callable[[str], RunState], notice: Callable[[], object]
    ) -> None:
        """Start no thread yet; ``state`` reads the state of a run by its id.

        ``notice`` is called after each poll, on the thread: it warns if no process owns the store.
        """
        self._store = store
        self._state = state
        self._notice = notice
        self._lock = threading.Lock()
        self._waiting: dict[str, list[End]] = {}  # by run id
        self._folded: dict[str, int] = {}  # version at which the row says ended, the events do not
        self._newest = 0.0  # when the newest waiter began to wait
        self._woken = threading.Event()
        self._thread: threading.Thread | None = None
        self._closed = False
        watch(self)

    def _forked(self, _parent: int) -> None:
        """In a forked child: replace the lock, which the parent may hold."""
        self._lock = threading.Lock()

    def wait(self, run_id: str) -> End:
        """A future of the run's last state; call :meth:`forget` when you stop waiting.

        The future fails with UnknownRunError, or with the error of reading the store.
        """
        end: End = PooledFuture()
        with self._lock:
            if self._closed:
                raise SystemClosedError("the end of a run", "the system was closed")
            self._waiting.setdefault(run_id, []).append(end)
            self._newest = time.monotonic()
        self._woken.set()
        self._begin()
        return end

    def forget(self, run_id: str, end: End) -> None:
        """Stop waiting for ``end``."""
        with self._lock:
            ends = self._waiting.get(run_id, [])
            if end in ends:
                ends.remove(end)
            if not ends:
                self._waiting.pop(run_id, None)
                self._folded.pop(run_id, None)

    def close(self) -> None:
        """Fail all futures with SystemClosedError, and end the thread."""
        with self._lock:
            self._closed = True
            thread = self._thread
        refusals.forget(self._begin)
        self._woken.set()
        if thread is not None:
            thread.join()
        self._fail(SystemClosedError("the end of a run", "the system was closed"))

    def _begin(self) -> None:
        with self._lock:
            if self._thread is None and self._waiting and not self._closed:
                thread = threading.Thread(target=self._run, name="indelible-ends", daemon=True)
                if refusals.start(thread, self._begin):
                    self._thread = thread

    # -- its thread

    def _run(self) -> None:
        while True:
            with self._lock:
                if self._closed or not self._waiting:
                    self._thread = None
                    return
                names = list(self._waiting)
            self._woken.clear()
            try:
                self._poll(names)
                self._notice()
            except Exception as error:
                if not isinstance(error, IndelibleError):
                    logger.exception("polling for the ends of runs failed")
                self._fail(error)
            pause = (time.monotonic() - self._newest) / _PAUSE_DIVISOR
            self._woken.wait(max(_MIN_PAUSE, min(pause, _MAX_PAUSE)))

    def _poll(self, run_ids: Sequence[str]) -> None:
        running: set[str] = set()
        if len(run_ids) > _FEW:
            heads = self._store.heads_of([f"run-{run_id}" for run_id in run_ids])
            running = {name for name, head in heads.items() if head.status in RESUMED}
        for run_id in run_ids:
            try:
                self._check(run_id, running)
            except StoreCorruptError as error:  # only this run is affected
                self._fail(error, run_id)

    def _check(self, run_id: str, running: Collection[str]) -> None:
        stream = f"run-{run_id}"
        if stream not in running:
            head = self._store.head(stream)
            if head is None or head.status not in RESUMED:
                self._complete(run_id, None if head is None else head.version)
                return
        damage = self._store.set_aside().get(self._store.shard_of(stream))
        if damage is not None:
            raise damage

    def _complete(self, run_id: str, version: int | None) -> None:
        """Complete the run's futures if, as the row at ``version`` says, its events have an end."""
        if self._folded.get(run_id) == version is not None:
            return
        try:
            if version is None:
                raise UnknownRunError(run_id, self._store.url)
            state = self._state(run_id)
        except IndelibleError as error:
            self._fail(error, run_id)
            return
        if state.end is None:
            self._folded[run_id] = version
            return
        for end in self._remove(run_id):
            end.set(state)

    def _fail(self, error: Exception, run_id: str | None = None) -> None:
        for end in self._remove(run_id):
            end.set_exception((type(error), error, None))

    def _remove(self, run_id: str | None) -> list[End]:
        """Remove and return the futures of a run, or of all runs."""
        with self._lock:
            names = list(self._waiting) if run_id is None else [run_id]
            return [end for name in names for end in self._waiting.pop(name, ())]
