"""Taking over the actors of shards that this process gains, and releasing those it loses.

A shard is gained, given away after draining, or lost (invariant 3).
"""

from __future__ import annotations

import logging
from collections.abc import Collection

from indelible.actors.durable.directory import Directory
from indelible.actors.durable.timers.wake_service import PAGE, WakeService
from indelible.actors.workflow.state.run_state import AWAKE
from indelible.assembly.work_under_way import WorkUnderWay
from indelible.errors import ShardNotOwnedError
from indelible.events.store import EventStore
from indelible.runs.mismatched_runs import MismatchedRuns
from indelible.runs.run_reconciler import RunReconciler

logger = logging.getLogger("indelible.system")


class ShardOwnership:
    """Reacts to changes of the owned shards; called on the store's own thread."""

    def __init__(
        self,
        store: EventStore,
        directory: Directory,
        work: WorkUnderWay,
        wakes: WakeService,
        run_reconciler: RunReconciler,
        drain: float,
    ) -> None:
        """Follow ``store``; running steps of a shard that is given away get ``drain`` seconds."""
        self._store = store
        self._directory = directory
        self._work = work
        self._wakes = wakes
        self._waker = run_reconciler
        self._drain = drain

    def begin(self) -> int:
        """Take over the shards owned now and follow changes; return the number of resumed runs."""
        self._store.on_drain(self.drain)
        self._store.on_ownership(self.changed)
        return self.take(self._store.owned())

    def changed(self, gained: frozenset[int], lost: frozenset[int]) -> None:
        """Handle a change of the owned shards."""
        if lost:
            self.leave(lost)
        if gained:
            self.take(gained)

    def take(self, shards: Collection[int]) -> int:
        """Resume the runs of ``shards`` that do not only wait; their actors are not in memory."""
        self._directory.admit(shards)
        self._work.take(shards)
        heads = self._store.heads("run", AWAKE, shards, wake_at=0)
        for at in range(0, len(heads), PAGE):
            self._directory.wake_together(heads[at : at + PAGE])
        self._wakes.take(shards)
        mismatched = MismatchedRuns(self._store, shards, {head.stream for head in heads})
        self._waker.begin(mismatched, later=bool(heads))  # behind the actors of the woken runs
        if heads:
            logger.info("resuming %d unfinished run%s", len(heads), "s" * (len(heads) > 1))
        return len(heads)

    def drain(self, shards: frozenset[int]) -> None:
        """Bring the actors of ``shards`` to rest, before another process takes them over.

        Waits for running attempts and records them.  Attempts that have not begun are given back,
        so that they do not count as interrupted.
        """
        self._work.hold(shards)
        for name in self._work.finish(self._drain):
            logger.warning("left behind: %s; its attempt counts as cut off", name)
        if not self._directory.settle(shards, self._drain):
            logger.warning("not all actors of the shards %s came to rest", sorted(shards))
        self.leave(shards)

    def leave(self, shards: frozenset[int]) -> None:
        """Release ``shards`` at once: this process may not write them any more."""
        why = ShardNotOwnedError(min(shards))
        self._wakes.leave(shards)
        self._work.leave(shards, why)
        self._directory.evict(shards)
