"""The graph of waits in a thread pool: limits their number and detects endless cycles."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

from indelible.errors import DeadlockError

BLOCKED_LIMIT = 64  # about 100 KiB each while they wait; more waiters hint at a cycle


class RunEnd(NamedTuple):
    """The end of a run, as a node of the graph; it cannot come while a step of the run waits.

    Attributes:
        system: Identity of the run's executor: systems may have runs of the same name.
        stream: Of the run.
    """

    system: int
    stream: str

    def __str__(self) -> str:
        """The stream."""
        return self.stream


class Wait:
    """One task's wait.

    Attributes:
        waiter: The task that waits; its ``str`` names it.
        on: The awaited object: a :class:`RunEnd`, or any object by its identity.
        key: The graph's node for the waiter.
        is_endless: Whether now only the awaited object can end the wait; called only in cycles.
    """

    __slots__ = ("forever", "is_endless", "key", "on", "waiter")

    def __init__(
        self,
        task: object,
        on: object,
        *,
        forever: bool,
        is_endless: Callable[[], bool] = lambda: True,
    ) -> None:
        """``forever`` means that the wait has no time-out; the task itself may have one."""
        self.waiter: Any = getattr(task, "__self__", task)
        self.on = on
        self.key = _key(self.waiter)
        self.forever = forever and getattr(self.waiter, "has_no_timeout", True)
        self.is_endless = is_endless


class Waits:
    """The waits of a pool, in the order in which they began; the pool holds its lock.

    Up to 64 waiting threads are replaced by another thread.  Waits without a thread, on an event
    loop, are only used to detect cycles.
    """

    def __init__(self, more: int = 0, who: str = "actors") -> None:
        """Allow ``more`` waiting threads that are not replaced; ``who`` names the waiters."""
        self._unreplaced = more
        self._waiters = who
        self._by_thread: dict[object, Wait] = {}  # by thread
        self._by_waiter: dict[Hashable, list[Wait]] = {}  # by waiter, with those without a thread

    def __contains__(self, thread: object) -> bool:
        """Whether ``thread`` waits already: a wait inside a wait is not counted."""
        return thread in self._by_thread

    def __len__(self) -> int:
        """How many threads wait."""
        return len(self._by_thread)

    @property
    def compensated(self) -> int:
        """How many waiting threads are replaced by another thread."""
        return min(len(self._by_thread), BLOCKED_LIMIT)

    def begin(self, thread: object, wait: Wait) -> None:
        """Count ``thread`` as waiting.

        Raises:
            DeadlockError: Too many threads wait already, or the wait closes a cycle of waits
                without time-outs; nothing has changed.
        """
        if len(self._by_thread) >= BLOCKED_LIMIT + self._unreplaced:
            waits = [other for waits in self._by_waiter.values() for other in waits]
            raise self._deadlock(_chain(waits, wait), cycle=False)
        self.watch(wait)
        self._by_thread[thread] = wait

    def end(self, thread: object) -> None:
        """Stop counting ``thread`` as waiting."""
        self.unwatch(self._by_thread.pop(thread))

    def watch(self, wait: Wait) -> None:
        """Add a wait, with or without a thread.

        Raises:
            DeadlockError: It closes a cycle of waits without time-outs; nothing has changed.
        """
        cycle = self._cycle(wait) if wait.forever else None
        if cycle is not None:
            raise self._deadlock(cycle, cycle=True)
        self._by_waiter.setdefault(wait.key, []).append(wait)

    def unwatch(self, wait: Wait) -> None:
        """Remove a wait that :meth:`watch` has added."""
        waits = self._by_waiter[wait.key]
        waits.remove(wait)
        if not waits:
            del self._by_waiter[wait.key]

    def _deadlock(self, chain: list[object], *, cycle: bool) -> DeadlockError:
        return DeadlockError(
            [str(link) for link in chain], len(self._by_thread), self._waiters, cycle=cycle
        )

    def _cycle(self, last: Wait) -> list[object] | None:
        """The cycle of waits without time-outs that ``last`` closes; ``None`` without one."""
        if self._path_back(last, lambda _: True) is None or not last.is_endless():
            return None
        way = self._path_back(last, lambda wait: wait.is_endless())
        return None if way is None else [*(wait.waiter for wait in way), last.waiter, last.on]

    def _path_back(self, last: Wait, counts: Callable[[Wait], bool]) -> list[Wait] | None:
        """The path of waits without time-outs from what ``last`` awaits back to its waiter."""
        start = _key(last.on)
        paths: dict[Hashable, list[Wait]] = {start: []}
        to_visit = [start]
        while to_visit:
            key = to_visit.pop()
            if key == last.key:
                return paths[key]
            for wait in self._by_waiter.get(key, ()):
                on = _key(wait.on)
                if on not in paths and wait.forever and counts(wait):
                    paths[on] = [*paths[key], wait]
                    to_visit.append(on)
        return None


def _key(link: object) -> Hashable:
    """The graph's node for ``link``: a step's is the end of its run, others are their own."""
    return link if isinstance(link, RunEnd) else getattr(link, "wait_key", id(link))


def _chain(waits: list[Wait], last: Wait) -> list[object]:
    """The chain of waits through ``last``, first waiter first."""
    before = {_key(wait.on): wait.waiter for wait in waits}
    after = {wait.key: wait for wait in waits}
    chain: list[object] = [last.waiter, "something" if last.on is None else last.on]
    seen = {_key(link) for link in chain}
    while (key := _key(chain[0])) in before:
        chain.insert(0, before[key])
        if _key(chain[0]) in seen:  # a cycle, shown closed
            return chain
        seen.add(_key(chain[0]))
    while (key := _key(chain[-1])) in after and _key(after[key].on) not in seen:
        chain += _links(chain[-1], after[key])
        seen.add(_key(chain[-1]))
    return chain


def _links(end: object, wait: Wait) -> list[object]:
    """The links after ``end``: the waiting step, if ``end`` is its run's end, and its awaited."""
    return [wait.on] if end is wait.waiter else [wait.waiter, wait.on]
