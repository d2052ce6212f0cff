"""How a system begins, and how it ends without losing what is under way (invariants 1 and 6)."""

from __future__ import annotations

import logging
from contextlib import ExitStack

from indelible.actors.workflow.state import UNFINISHED
from indelible.parts import Parts

logger = logging.getLogger("indelible.system")


def begin(parts: Parts) -> int:
    """Follow the log with the views, wake every unfinished run and return how many there are."""
    if parts.runtime.threads:
        parts.projections.start()
    heads = parts.store.heads("run", UNFINISHED)
    for head in heads:
        parts.directory.wake(head.stream)
    if heads:
        logger.info("resuming %d unfinished runs", len(heads))
    return len(heads)


def shut_down(parts: Parts, drain: float) -> None:
    """Start nothing more, record what returns within ``drain`` seconds, then stop all threads."""
    with ExitStack() as then:  # also when somebody interrupts the wait
        then.callback(parts.store.close)
        then.callback(parts.projections.stop)
        then.callback(parts.executor.close)
        then.callback(lambda: parts.runtime.close(parts.executor.occupied()))
        parts.directory.close()
        parts.executor.hold()
        for name in parts.executor.finish(drain):
            logger.warning("step left behind: %s; its attempt counts as cut off", name)
