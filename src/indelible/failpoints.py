"""Named places where a test may stop, fail or kill the process.

A place calls ``failpoints.hit(name)``, which does nothing unless a test has armed that name.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Mapping

NAMES = (
    "migrate.before",  # the owner lock is held, no table has been touched
    "migrate.inside",  # tables are made, the transaction is open
    "append.queued",  # an append waits for a leader
    "commit.begun",  # the write transaction is open and empty
    "commit.before",  # every row of the group is written, COMMIT has not been sent
    "commit.after",  # COMMIT has returned, no append of the group has been completed
    "tell.before",  # a message is durable with its event, its receiver has not got it
    "ack.after",  # every append of the group has been completed
    "step.before",  # an attempt is recorded, its function has not been called
    "step.after",  # the function has returned, its result is not recorded
    "view.before",  # a projection's batch is written, not committed
    "snapshot.before",  # a state is captured and its events are durable, no row is written
    "snapshot.after",  # the snapshot is committed
)


class Failpoints:
    """The armed places of one system; any thread may hit them."""

    def __init__(self, actions: Mapping[str, Callable[[], None]] | None = None) -> None:
        """Arm ``actions``, by name.

        Raises:
            ValueError: There is no failpoint of that name.
        """
        self._actions = dict(actions or {})
        self.armed = bool(self._actions)  # whether any is armed: a hot path checks this once
        for name in self._actions:
            if name not in NAMES:
                raise ValueError(f"no failpoint {name!r}; there are {', '.join(NAMES)}")

    def hit(self, name: str) -> None:
        """Run the action armed for ``name``; an error of the action propagates to the caller."""
        action = self._actions.get(name)
        if action is not None:
            action()


class KillAt:
    """An action that ends the process with SIGKILL on its ``count``-th call (from 1)."""

    def __init__(self, count: int = 1) -> None:
        """Let ``count - 1`` calls pass."""
        self._left = count
        self._lock = threading.Lock()

    def __call__(self) -> None:
        """Count one call; the last one does not return."""
        with self._lock:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
