"""How many tasks a thread runs before it calls the hook that commits their events."""

from __future__ import annotations

MIN_BURST = 96
"""Tasks whose data, and their commit's, fit into a processor's cache.  With 256 tasks, a task was
measured to take a sixth more processor time; with 64, commits of small groups cost as much more."""

MAX_BURST = 4 * MIN_BURST
"""Tasks on a slow disk, where a commit is long: more tasks share it, and it comes less often."""

_LONG, _SHORT = 1.25, 0.7
"""Hook time by task time: above the first ratio the burst grows, below the second it shrinks."""


class BurstSize:
    """The size of a burst, adapted to the times of full bursts and their hooks.

    Only an estimate: any thread may call it at any time, a lost update does no harm.
    """

    __slots__ = ("tasks",)

    def __init__(self) -> None:
        """Start with :data:`MIN_BURST`."""
        self.tasks = MIN_BURST

    def adapt(self, tasks_ns: int, hook_ns: int) -> None:
        """Adapt the size after a full burst and its hook.

        >>> pace = BurstSize()
        >>> pace.adapt(2_000_000, 5_000_000), pace.tasks  # a slow disk
        (None, 192)
        >>> pace.adapt(4_000_000, 3_500_000), pace.tasks
        (None, 192)
        >>> pace.adapt(4_000_000, 2_000_000), pace.tasks  # it has become faster
        (None, 96)
        """
        if hook_ns > _LONG * tasks_ns:
            self.tasks = min(2 * self.tasks, MAX_BURST)
        elif hook_ns < _SHORT * tasks_ns:
            self.tasks = max(self.tasks // 2, MIN_BURST)
