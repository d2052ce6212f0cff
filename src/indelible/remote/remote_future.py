"""Time-outs of asks, and the future of an answer from another process."""

from __future__ import annotations

from typing import Any

from indelible.actors.runtime.future import PooledFuture

ASK_TIMEOUT = 30.0
"""Seconds that a command may wait for its commit: far more than a healthy disk needs."""

SLACK = 1.0
"""Seconds after its time-out within which the inbox client completes a future in any case."""

STATUS_GRACE = 1.0
"""Seconds after a time-out for finding out what the run waits for."""


class RemoteFuture(PooledFuture[Any]):
    """The answer of another process; the inbox client completes it, also after its time-out."""
