"""The attempts of this process outside of its actors: steps, calls and custom effects."""

from __future__ import annotations

import time
from collections.abc import Collection

from indelible.actors.effects.calls.call_effects import CallEffects
from indelible.actors.effects.custom.custom_effects import CustomEffects
from indelible.actors.workflow.execute.executor import Executor


class WorkUnderWay:
    """Steps, calls and custom effects together, for closing a system or giving shards away."""

    def __init__(self, executor: Executor, calls: CallEffects, own: CustomEffects) -> None:
        """Manage the attempts of all three."""
        self._all = (executor, calls, own)

    def hold(self, shards: Collection[int] | None = None) -> None:
        """Start no more attempts, and give back those that are recorded and have not begun.

        With ``shards`` only in these shards, until :meth:`take` or :meth:`leave`.
        """
        for attempts in self._all:
            attempts.hold(shards)

    def finish(self, timeout: float) -> list[str]:
        """Wait ``timeout`` seconds for held running attempts; return names of unfinished ones."""
        end = time.monotonic() + timeout
        left: list[str] = []
        for attempts in self._all:
            left += attempts.finish(max(0.0, end - time.monotonic()))
        return left

    def running(self) -> list[str]:
        """Names of the attempts whose functions are running."""
        return [name for attempts in self._all for name in attempts.running()]

    def take(self, shards: Collection[int]) -> None:
        """Allow attempts in ``shards``, which this process owns from now on."""
        for attempts in self._all:
            attempts.take(shards)

    def leave(self, shards: Collection[int], why: BaseException) -> None:
        """Forget the attempts of ``shards``, which another process takes over; never waits."""
        for attempts in self._all:
            attempts.leave(shards, why)

    def occupied(self) -> int:
        """Number of threads occupied by blocking attempts that have not returned."""
        return sum(attempts.occupied() for attempts in self._all)

    def close(self) -> None:
        """Release all waiting threads; called after the worker threads have ended."""
        for attempts in self._all:
            attempts.close()
