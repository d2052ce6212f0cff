"""What those who wait for an answer know of it: how long it may take, and who gives it."""

from __future__ import annotations

from typing import Any

from indelible.actors.runtime.future import PooledFuture

ASK_TIMEOUT = 30.0
"""Seconds that a command may wait for its commit: far above any healthy disk, and not for ever."""

SLACK = 1.0
"""Seconds beyond its time-out in which the inbox client completes a future, whatever happens."""

MORE = 1.0
"""Seconds beyond a time-out that saying what a run waits for may take."""


class RemoteFuture(PooledFuture[Any]):
    """The answer of another process; the inbox client completes it in time, with what it knows."""
