"""An action for a failpoint that stops whoever comes there until a test lets him go on."""

from __future__ import annotations

import threading
from collections.abc import Callable

_PATIENCE = 30.0
"""Seconds until a stop ends by itself, so that a broken test fails instead of hanging."""


class Hold:
    """Lets everything pass until :meth:`close`; then whoever comes waits for :meth:`open`.

    Any thread may call any method.
    """

    def __init__(self) -> None:
        """Let everything pass."""
        self._lock = threading.Lock()
        self._then: Callable[[], None] | None = None
        self._go = threading.Event()
        self._go.set()
        self.reached = threading.Event()  # somebody waits, or has waited

    def close(self, then: Callable[[], None] | None = None) -> None:
        """Stop whoever comes from now on; ``then`` is what he does when he may go on."""
        with self._lock:
            self._then = then
            self.reached.clear()
            self._go.clear()

    def wait(self) -> None:
        """Wait until somebody is stopped here.

        Raises:
            TimeoutError: Nobody came for 30 seconds.
        """
        if not self.reached.wait(_PATIENCE):
            raise TimeoutError("nobody has come to this place")

    def open(self) -> None:
        """Let everybody go on."""
        self._go.set()

    def __call__(self) -> None:
        """Come to this place."""
        if self._go.is_set():
            return
        self.reached.set()
        self._go.wait(_PATIENCE)
        with self._lock:
            then, self._then = self._then, None
        if then is not None:
            then()
