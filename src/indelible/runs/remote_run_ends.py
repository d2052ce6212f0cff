"""The ends of runs that other processes execute: one thread looks for all who wait here."""

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
from indelible.threads import wanted

_FIRST, _SLOWEST = 0.010, 0.250
"""Seconds between looks: quick for who has just begun to wait, then gentle."""

_SHARE = 2  # of the time that the newest has waited, the pause until the next look
_FEW = 8  # runs that are looked at one by one; more are looked at in one query

logger = logging.getLogger("indelible.clients")

End = PooledFuture[RunState]


class RemoteRunEnds:
    """Who waits for which run; any thread may call any method, and none is held for a waiter."""

    def __init__(
        self, store: EventStore, state: Callable[[str], RunState], notice: Callable[[], object]
    ) -> None:
        """Start no thread yet; ``state`` reads the state of a run by its id.

        ``notice`` is called at each look, on the thread: it may tell that no process goes on.
        """
        self._store = store
        self._state = state
        self._notice = notice
        self._lock = threading.Lock()
        self._waiting: dict[str, list[End]] = {}  # by run id
        self._folded: dict[str, int] = {}  # versions at which a head says more than the events
        self._newest = 0.0  # when the last of them began to wait
        self._woken = threading.Event()
        self._thread: threading.Thread | None = None
        self._closed = False
        watch(self)

    def _forked(self, _parent: int) -> None:
        """In a child: nothing is waited for, and no lock of the parent's."""
        self._lock = threading.Lock()

    def wait(self, run_id: str) -> End:
        """A future of the run's last state; :meth:`forget` it when it is not waited for.

        It fails with UnknownRunError, or with what keeps the store from being read.
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
        """Wait for ``end`` no more."""
        with self._lock:
            ends = self._waiting.get(run_id, [])
            if end in ends:
                ends.remove(end)
            if not ends:
                self._waiting.pop(run_id, None)
                self._folded.pop(run_id, None)

    def close(self) -> None:
        """Tell all who wait that the system closes."""
        with self._lock:
            self._closed = True
            thread = self._thread
        wanted.forget(self._begin)
        self._woken.set()
        if thread is not None:
            thread.join()
        self._fail(SystemClosedError("the end of a run", "the system was closed"))

    def _begin(self) -> None:
        with self._lock:
            if self._thread is None and self._waiting and not self._closed:
                thread = threading.Thread(target=self._run, name="indelible-ends", daemon=True)
                if wanted.start(thread, self._begin):
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
                self._look(names)
                self._notice()
            except Exception as error:
                if not isinstance(error, IndelibleError):
                    logger.exception("the ends of runs cannot be looked for")
                self._fail(error)
            pause = (time.monotonic() - self._newest) / _SHARE
            self._woken.wait(max(_FIRST, min(pause, _SLOWEST)))

    def _look(self, run_ids: Sequence[str]) -> None:
        going_on: set[str] = set()
        if len(run_ids) > _FEW:
            heads = self._store.heads_of([f"run-{run_id}" for run_id in run_ids])
            going_on = {name for name, head in heads.items() if head.status in RESUMED}
        for run_id in run_ids:
            try:
                self._look_at(run_id, going_on)
            except StoreCorruptError as error:  # the others know nothing of it
                self._fail(error, run_id)

    def _look_at(self, run_id: str, going_on: Collection[str]) -> None:
        stream = f"run-{run_id}"
        if stream not in going_on:
            head = self._store.head(stream)
            if head is None or head.status not in RESUMED:
                self._tell(run_id, None if head is None else head.version)
                return
        aside = self._store.set_aside().get(self._store.shard_of(stream))
        if aside is not None:
            raise aside

    def _tell(self, run_id: str, version: int | None) -> None:
        """Tell of an end, which the head at ``version`` says, once the run's events say so too."""
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
        for end in self._taken(run_id):
            end.set(state)

    def _fail(self, error: Exception, run_id: str | None = None) -> None:
        for end in self._taken(run_id):
            end.set_exception((type(error), error, None))

    def _taken(self, run_id: str | None) -> list[End]:
        """Those who wait for a run, or all, who do so no more."""
        with self._lock:
            names = list(self._waiting) if run_id is None else [run_id]
            return [end for name in names for end in self._waiting.pop(name, ())]
