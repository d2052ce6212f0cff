"""An action for a failpoint that blocks threads until a test releases them."""

from __future__ import annotations

import threading
from collections.abc import Callable

_PATIENCE = 30.0
"""Seconds until a block ends by itself, so that a broken test fails instead of hanging."""


class Hold:
    """Lets threads pass until :meth:`close`; then blocks each thread until :meth:`open`.

    Any thread may call any method.
    """

    def __init__(self) -> None:
        """Begin open."""
        self._lock = threading.Lock()
        self._then: Callable[[], None] | None = None
        self._go = threading.Event()
        self._go.set()
        self.reached = threading.Event()  # a thread has been blocked here

    def close(self, then: Callable[[], None] | None = None) -> None:
        """Block threads from now on; the first that is released calls ``then``."""
        with self._lock:
            self._then = then
            self.reached.clear()
            self._go.clear()

    def wait(self) -> None:
        """Wait until a thread is blocked here.

        Raises:
            TimeoutError: No thread came for 30 seconds.
        """
        if not self.reached.wait(_PATIENCE):
            raise TimeoutError("no thread has reached this failpoint")

    def open(self) -> None:
        """Release all threads."""
        self._go.set()

    def __call__(self) -> None:
        """Pass, or block while closed."""
        if self._go.is_set():
            return
        self.reached.set()
        self._go.wait(_PATIENCE)
        with self._lock:
            then, self._then = self._then, None
        if then is not None:
            then()
