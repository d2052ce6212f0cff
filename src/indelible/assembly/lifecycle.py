"""Beginning and closing a system without losing running work (invariants 1 and 6)."""

from __future__ import annotations

import logging
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from indelible.assembly.system_parts import SystemParts

GRACE = 5.0
"""Seconds for the database to commit the last results of steps; a commit takes milliseconds."""

logger = logging.getLogger("indelible.system")


def begin(parts: SystemParts) -> int:
    """Start the views, wake every unfinished run and return the number of these runs.

    Runs have priority: the views apply nothing until all are woken.

    Raises:
        ThreadUnavailableError: The host gives too few threads; no run has been woken.
    """
    if parts.runtime.threads:
        parts.projections.start(held=True)
        parts.inbox_worker.start()
    resumed = parts.ownership.begin()
    parts.projections.release(burst=resumed > 0)
    parts.inbox_worker.begin()
    return resumed


def drain(parts: SystemParts, timeout: float) -> list[str]:
    """Start no more work; return the names of steps still running after ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    parts.readers.stop_consumers(timeout / 2)  # first: their handlers may need the actors
    parts.inbox_worker.stop(max(0.0, deadline - time.monotonic()))
    parts.activate_unbegun_runs()
    parts.directory.close()
    parts.work.hold()
    return parts.work.finish(max(0.0, deadline - time.monotonic()))


def shut_down(parts: SystemParts, timeout: float) -> None:
    """Start no more work, record results for ``timeout`` seconds, then stop all threads.

    A database that does not answer gets :data:`GRACE` more seconds.
    """
    parts.store.end_within(timeout + GRACE)
    parts.alerts.stop()
    with ExitStack() as then:  # also after a KeyboardInterrupt
        then.callback(parts.store.close)
        then.callback(parts.readers.close)
        then.callback(parts.async_calls.close)
        then.callback(parts.remote_run_ends.close)
        then.callback(parts.inbox_worker.finish)  # after the views: stopping them ends a rebuild
        then.callback(parts.projections.stop)
        then.callback(parts.snapshots.stop)
        then.callback(parts.inbox_client.close)
        then.callback(parts.work.close)
        then.callback(parts.directory.fail_late_replies)
        then.callback(lambda: parts.runtime.close(parts.work.occupied()))
        for name in drain(parts, timeout):
            logger.warning("left behind: %s; its attempt counts as cut off", name)
        parts.store.end_within(GRACE)
