"""How a system begins, and how it ends without losing what is under way (invariants 1 and 6)."""

from __future__ import annotations

import logging
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from indelible.assembly.system_parts import SystemParts

GRACE = 5.0
"""Seconds for the database to take what the last steps returned; a commit takes milliseconds."""

logger = logging.getLogger("indelible.system")


def begin(parts: SystemParts) -> int:
    """Follow the log with the views, wake every unfinished run and return how many there are.

    Raises:
        ThreadUnavailableError: The host gives too few threads; no run has been woken.
    """
    if parts.runtime.threads:
        parts.projections.start()
        parts.inbox_worker.start()
    resumed = parts.ownership.begin()
    parts.inbox_worker.begin()
    return resumed


def drain(parts: SystemParts, timeout: float) -> list[str]:
    """Start nothing more and name the steps that have not returned within ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    parts.readers.stop_consumers(timeout / 2)  # first: their handlers may need the actors
    parts.inbox_worker.stop(max(0.0, deadline - time.monotonic()))
    parts.wake_unbegun()
    parts.directory.close()
    parts.work.hold()
    return parts.work.finish(max(0.0, deadline - time.monotonic()))


def shut_down(parts: SystemParts, timeout: float) -> None:
    """Start nothing more, record what returns within ``timeout`` seconds, then stop all threads.

    A database that does not answer is given :data:`GRACE` seconds beyond that, and no more.
    """
    parts.store.end_within(timeout + GRACE)
    parts.alerts.stop()
    with ExitStack() as then:  # also when somebody interrupts the wait
        then.callback(parts.store.close)
        then.callback(parts.readers.close)
        then.callback(parts.off_loop.close)
        then.callback(parts.ends.close)
        then.callback(parts.inbox_worker.finish)  # after the views: a rebuild ends with them
        then.callback(parts.projections.stop)
        then.callback(parts.snapshots.stop)
        then.callback(parts.inbox_client.close)
        then.callback(parts.work.close)
        then.callback(parts.directory.fail_late_replies)
        then.callback(lambda: parts.runtime.close(parts.work.occupied()))
        for name in drain(parts, timeout):
            logger.warning("left behind: %s; its attempt counts as cut off", name)
        parts.store.end_within(GRACE)
