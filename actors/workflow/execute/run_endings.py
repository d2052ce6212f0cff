"""Who waits for the end of which run, and the runs that ended lately."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

from indelible.actors.workflow.state.run_state import RunState

EndListener = Callable[[RunState | BaseException], None]
"""Gets the run's last state, or why nobody will know it here."""


_KEPT = 32 * 1024 * 1024
"""Bytes of the states of ended runs kept, about: some 10,000 runs of ten steps with small results.

Who starts thousands of runs together asks for them one by one, long after the first have ended.
"""

_KEPT_SIZE = _KEPT // 32
"""Bytes of one state above which it is not kept: it would push out too many others."""

_RUN, _STEP = 1_000, 200
"""Bytes that a state takes for itself and for each of its steps, measured."""


class RunEndings:
    """Listeners by stream; each is called once, after the run's last event is durable."""

    def __init__(self) -> None:
        """Nobody waits."""
        self._lock = threading.Lock()
        self._listeners: dict[str, list[EndListener]] = {}
        self._recent: OrderedDict[str, RunState] = OrderedDict()
        self._size = 0  # bytes of those, about

    def recent(self, stream: str) -> RunState | None:
        """The last state of a run that ended a moment ago; ``None`` says nothing."""
        return self._recent.get(stream)

    def add(self, stream: str, listener: EndListener) -> Callable[[], None]:
        """Call ``listener`` at the end of the run; the result takes the wish back."""
        with self._lock:
            self._listeners.setdefault(stream, []).append(listener)

        def forget() -> None:
            with self._lock:
                listeners = self._listeners.get(stream, [])
                if listener in listeners:
                    listeners.remove(listener)
                if not listeners:
                    self._listeners.pop(stream, None)

        return forget

    def reached(self, stream: str, state: RunState) -> None:
        """Tell and forget everyone who waits for ``stream``."""
        with self._lock:
            self._keep(stream, state)
            listeners = self._listeners.pop(stream, [])
        for listener in listeners:
            listener(state)

    def _keep(self, stream: str, state: RunState) -> None:
        size = _size(state)
        if size > _KEPT_SIZE:
            return
        before = self._recent.pop(stream, None)
        self._recent[stream] = state
        self._size += size - (0 if before is None else _size(before))
        while self._size > _KEPT:
            self._size -= _size(self._recent.popitem(last=False)[1])

    def missed(self, stream: str, error: BaseException) -> None:
        """Tell everyone who waits for ``stream`` that nobody will know its end here."""
        with self._lock:
            listeners = self._listeners.pop(stream, [])
        for listener in listeners:
            listener(error)

    def leave(self, left: Callable[[str], bool], error: BaseException) -> None:
        """Tell everyone who waits for a stream that has ``left`` that its end is not told here."""
        for stream in [stream for stream in list(self._listeners) if left(stream)]:
            self.missed(stream, error)

    def close(self, error: BaseException) -> None:
        """Tell everyone who still waits that the system closes, and keep nothing."""
        with self._lock:
            waiting, self._listeners = self._listeners, {}
            self._recent.clear()
            self._size = 0
        for listeners in waiting.values():
            for listener in listeners:
                listener(error)


def _size(state: RunState) -> int:
    errors = state.errors  # most runs have none
    failures = sum(len(e.message) + len(e.traceback) for e in errors.values()) if errors else 0
    return _RUN + _STEP * len(state.plan.nodes) + state.size + failures
