"""What this process has begun outside of its actors: steps, calls, effects of users' own types."""

from __future__ import annotations

import time
from collections.abc import Collection

from indelible.actors.effects.calls.call_effects import CallEffects
from indelible.actors.effects.custom.custom_effects import CustomEffects
from indelible.actors.workflow.execute.executor import Executor


class WorkUnderWay:
    """Steps, calls and own effects together, for who closes a system or gives shards away."""

    def __init__(self, executor: Executor, calls: CallEffects, own: CustomEffects) -> None:
        """Look after all of them."""
        self._all = (executor, calls, own)

    def hold(self, shards: Collection[int] | None = None) -> None:
        """Start nothing more, and give back what was recorded and has not begun.

        With ``shards`` only in these, until :meth:`take` or :meth:`leave`.
        """
        for attempts in self._all:
            attempts.hold(shards)

    def finish(self, timeout: float) -> list[str]:
        """Wait for what runs and is held, and name what is not back in ``timeout`` seconds."""
        end = time.monotonic() + timeout
        left: list[str] = []
        for attempts in self._all:
            left += attempts.finish(max(0.0, end - time.monotonic()))
        return left

    def running(self) -> list[str]:
        """Names of the attempts whose functions are being called."""
        return [name for attempts in self._all for name in attempts.running()]

    def take(self, shards: Collection[int]) -> None:
        """Let actors of ``shards``, which are this process's from now on, begin."""
        for attempts in self._all:
            attempts.take(shards)

    def leave(self, shards: Collection[int], why: BaseException) -> None:
        """Forget what is of ``shards``, which another process goes on with; never waits."""
        for attempts in self._all:
            attempts.leave(shards, why)

    def occupied(self) -> int:
        """How many threads are held by blocking attempts that have not returned."""
        return sum(attempts.occupied() for attempts in self._all)

    def close(self) -> None:
        """Let go of everyone who waits; after the threads have ended."""
        for attempts in self._all:
            attempts.close()
