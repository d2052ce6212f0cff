"""The queue of tasks: tasks that continue a run are taken first, for a limited time.

The data of the next step of a run is still in the processor's cache: with a thousand runs under
way, a step was measured to take a tenth less processor time than in arrival order, and the first
runs end much earlier.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Task = Callable[[], None]

MAX_ROUNDS = 8
"""Bursts of continuing tasks before other tasks are taken: at 96 quick tasks each, 20 to 30 ms."""


class Tasks:
    """Two queues; every method may be called from any thread.

    Attributes:
        continued: Tasks that continue a run, oldest first.
        waiting: The other tasks, oldest first.
        put: Adds a task that may be taken at once.
    """

    __slots__ = ("_rounds", "continued", "put", "waiting")

    def __init__(self) -> None:
        """Start empty."""
        self.waiting: deque[Task] = deque()
        self.continued: deque[Task] = deque()
        self._rounds = 0
        self.put = self.waiting.append

    def __len__(self) -> int:
        """How many tasks wait."""
        return len(self.continued) + len(self.waiting)

    def pop_functions(self) -> tuple[Callable[[], Task], Callable[[], Task]]:
        """The pop functions of both queues, in order; each raises IndexError on an empty queue."""
        return self.continued.popleft, self.waiting.popleft

    @contextmanager
    def continuing(self) -> Iterator[None]:
        """Treat tasks put in the body as continuing tasks, unless their time is used up.

        Tasks that other threads put at the same moment may be treated so too, which does no harm.
        """
        self._rounds += 1
        if self._rounds < MAX_ROUNDS:
            self.put = self.continued.append
        else:
            self._rounds = 0
            self._queue_up()
        try:
            yield
        finally:
            self.put = self.waiting.append

    def _queue_up(self) -> None:
        """Move the continuing tasks behind the others."""
        for _ in range(len(self.continued)):
            try:
                self.waiting.append(self.continued.popleft())
            except IndexError:  # other threads take tasks, too
                return

    def take_back(self, task: Task) -> bool:
        """Remove a task that was put outside :meth:`continuing`; ``False`` if it was taken."""
        try:
            self.waiting.remove(task)
        except ValueError:
            return False
        return True

    def clear(self) -> None:
        """Remove all tasks."""
        self.continued.clear()
        self.waiting.clear()
