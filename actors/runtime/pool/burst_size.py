"""How many tasks a thread runs before it calls the hook that commits what they did."""

from __future__ import annotations

LEAST = 96
"""Tasks: what they and their commit touch fits into a processor's own cache.  With 256 a task was
measured to take a sixth more processor time, with 64 commits of small groups took as much again."""

MOST = 4 * LEAST
"""Tasks, where a slow disk makes a commit long: it is shared by more, and comes less often."""

_LONG, _SHORT = 1.25, 0.7
"""Hook to tasks: from this on the hook wants more company, and up to that it can do with less."""


class BurstSize:
    """The size of a burst, from how long full ones and their hooks take.

    Guesses only: any thread may call it at any time, a lost update does no harm.
    """

    __slots__ = ("tasks",)

    def __init__(self) -> None:
        """Begin with the least."""
        self.tasks = LEAST

    def note(self, tasks_ns: int, hook_ns: int) -> None:
        """Take note of a full burst and of the hook after it.

        >>> pace = BurstSize()
        >>> pace.note(2_000_000, 5_000_000), pace.tasks  # a slow disk
        (None, 192)
        >>> pace.note(4_000_000, 3_500_000), pace.tasks
        (None, 192)
        >>> pace.note(4_000_000, 2_000_000), pace.tasks  # it has become faster
        (None, 96)
        """
        if hook_ns > _LONG * tasks_ns:
            self.tasks = min(2 * self.tasks, MOST)
        elif hook_ns < _SHORT * tasks_ns:
            self.tasks = max(self.tasks // 2, LEAST)
