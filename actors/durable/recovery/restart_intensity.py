"""How often an actor may be restarted before it is set aside (pure)."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple


class RestartIntensity(NamedTuple):
    """At most ``restarts`` within ``within`` seconds; Erlang's supervisors use the same pair."""

    restarts: int = 10
    within: float = 60.0


class Restarts:
    """The recent failures of one actor.

    >>> recent = Restarts(RestartIntensity(restarts=2, within=10))
    >>> [recent.exceeded_by(second * 1_000_000_000) for second in (0, 1, 20, 21, 22)]
    [False, False, False, False, True]
    """

    __slots__ = ("_failures", "intensity")

    def __init__(self, intensity: RestartIntensity) -> None:
        """Start without failures."""
        self.intensity = intensity
        self._failures: deque[int] = deque(maxlen=intensity.restarts + 1)

    def exceeded_by(self, now: int) -> bool:
        """Count a failure at ``now`` (monotonic nanoseconds), and tell whether that is too many."""
        self._failures.append(now)
        horizon = now - round(self.intensity.within * 1_000_000_000)
        while self._failures[0] < horizon:
            self._failures.popleft()
        return len(self._failures) > self.intensity.restarts
