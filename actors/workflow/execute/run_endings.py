"""Listeners for the ends of runs, and the states of runs that ended recently."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

from indelible.actors.workflow.state.run_state import RunState

EndListener = Callable[[RunState | BaseException], None]
"""Gets the run's last state, or the reason why this process will not know it."""


_MAX_BYTES = 32 * 1024 * 1024
"""Bytes of the kept states, about: some 10,000 runs of ten steps with small results.

A caller that starts thousands of runs asks for the results one by one, long after the first end.
"""

_MAX_STATE_BYTES = _MAX_BYTES // 32
"""Bytes of the largest state that is kept: a larger one would replace too many others."""

_BYTES_A_RUN, _BYTES_A_STEP = 1_000, 200
"""Measured bytes of a state, and of each of its steps."""


class RunEndings:
    """Listeners by stream; each is called once, after the run's last event is durable."""

    def __init__(self) -> None:
        """Start without listeners."""
        self._lock = threading.Lock()
        self._listeners: dict[str, list[EndListener]] = {}
        self._recent: OrderedDict[str, RunState] = OrderedDict()
        self._size = 0  # bytes of the recent states, about

    def recent(self, stream: str) -> RunState | None:
        """The last state of a run that ended recently; ``None`` if it is not known here."""
        return self._recent.get(stream)

    def add(self, stream: str, listener: EndListener) -> Callable[[], None]:
        """Call ``listener`` at the end of the run; the returned function removes it."""
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
        """Call and remove the listeners of ``stream``."""
        with self._lock:
            self._keep(stream, state)
            listeners = self._listeners.pop(stream, [])
        for listener in listeners:
            listener(state)

    def _keep(self, stream: str, state: RunState) -> None:
        size = _size(state)
        if size > _MAX_STATE_BYTES:
            return
        before = self._recent.pop(stream, None)
        self._recent[stream] = state
        self._size += size - (0 if before is None else _size(before))
        while self._size > _MAX_BYTES:
            self._size -= _size(self._recent.popitem(last=False)[1])

    def failed(self, stream: str, error: BaseException) -> None:
        """Tell the listeners of ``stream`` that this process will not know its end."""
        with self._lock:
            listeners = self._listeners.pop(stream, [])
        for listener in listeners:
            listener(error)

    def leave(self, left: Callable[[str], bool], error: BaseException) -> None:
        """Fail the listeners of all streams that have ``left`` this process."""
        for stream in [stream for stream in list(self._listeners) if left(stream)]:
            self.failed(stream, error)

    def close(self, error: BaseException) -> None:
        """Fail all listeners with ``error``, because the system closes, and drop all states."""
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
    return _BYTES_A_RUN + _BYTES_A_STEP * len(state.nodes) + state.size + failures
