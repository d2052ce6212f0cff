"""Who waits for whom on a group of threads: how many may, and which waits can never end."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

from indelible.errors import DeadlockError

BLOCKED_LIMIT = 64  # about 100 KiB each while they wait; more waiters hint at a cycle


class RunEnd(NamedTuple):
    """The end of a run: what may be waited for, and what cannot come while one of its steps waits.

    Attributes:
        system: Identity of what executes it: systems may have runs of the same name.
        stream: The run's.
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
        on: What it waits for: the end of a run, or anything else by its identity.
        key: What stands for the waiter where others wait for it.
        lasts: Whether, as of now, nothing but what it waits for ends it; asked only of a circle.
    """

    __slots__ = ("forever", "key", "lasts", "on", "waiter")

    def __init__(
        self,
        task: object,
        on: object,
        *,
        forever: bool,
        lasts: Callable[[], bool] = lambda: True,
    ) -> None:
        """``forever`` says that the wait has no time-out; the task itself may have one."""
        self.waiter: Any = getattr(task, "__self__", task)
        self.on = on
        self.key = _key(self.waiter)
        self.forever = forever and getattr(self.waiter, "may_last", True)
        self.lasts = lasts


class Waits:
    """The waits of a group, in the order in which they began; its group locks.

    Up to 64 of the threads that wait have another one take their place.  What waits without a
    thread, on an event loop, is known here for the circles alone.
    """

    def __init__(self, more: int = 0, who: str = "actors") -> None:
        """Let ``more`` wait than have another thread in their place; ``who`` waits, in words."""
        self._more = more
        self._who = who
        self._all: dict[object, Wait] = {}  # by thread
        self._from: dict[Hashable, list[Wait]] = {}  # all, also those without a thread, by waiter

    def __contains__(self, thread: object) -> bool:
        """Whether ``thread`` waits already: what it waits for inside is no wait of its own."""
        return thread in self._all

    def __len__(self) -> int:
        """How many threads wait."""
        return len(self._all)

    @property
    def compensated(self) -> int:
        """How many have another thread in their place."""
        return min(len(self._all), BLOCKED_LIMIT)

    def begin(self, thread: object, wait: Wait) -> None:
        """Count ``thread`` among those that wait.

        Raises:
            DeadlockError: Too many wait already, or the wait closes a cycle of waits that all
                last for ever; nothing has changed.
        """
        if len(self._all) >= BLOCKED_LIMIT + self._more:
            waits = [other for waits in self._from.values() for other in waits]
            raise self._deadlock(_chain(waits, wait), circle=False)
        self.watch(wait)
        self._all[thread] = wait

    def end(self, thread: object) -> None:
        """Count ``thread`` no more."""
        self.unwatch(self._all.pop(thread))

    def watch(self, wait: Wait) -> None:
        """Know of a wait, whether it takes a thread or not.

        Raises:
            DeadlockError: It closes a cycle of waits that all last for ever; nothing has changed.
        """
        circle = self._circle(wait) if wait.forever else None
        if circle is not None:
            raise self._deadlock(circle, circle=True)
        self._from.setdefault(wait.key, []).append(wait)

    def unwatch(self, wait: Wait) -> None:
        """Forget a wait that :meth:`watch` was told of."""
        waits = self._from[wait.key]
        waits.remove(wait)
        if not waits:
            del self._from[wait.key]

    def _deadlock(self, chain: list[object], *, circle: bool) -> DeadlockError:
        return DeadlockError(
            [str(link) for link in chain], len(self._all), self._who, circle=circle
        )

    def _circle(self, last: Wait) -> list[object] | None:
        """Who waits for whom, if ``last`` closes a cycle of waits that all last for ever."""
        if self._way_back(last, lambda _: True) is None or not last.lasts():
            return None
        way = self._way_back(last, lambda wait: wait.lasts())
        return None if way is None else [*(wait.waiter for wait in way), last.waiter, last.on]

    def _way_back(self, last: Wait, counts: Callable[[Wait], bool]) -> list[Wait] | None:
        """The waits for ever that lead from what ``last`` waits for to who waits there."""
        start = _key(last.on)
        came: dict[Hashable, list[Wait]] = {start: []}
        ahead = [start]
        while ahead:
            key = ahead.pop()
            if key == last.key:
                return came[key]
            for wait in self._from.get(key, ()):
                on = _key(wait.on)
                if on not in came and wait.forever and counts(wait):
                    came[on] = [*came[key], wait]
                    ahead.append(on)
        return None


def _key(link: object) -> Hashable:
    """What stands for ``link``: the end of the run whose step it is, or itself."""
    return link if isinstance(link, RunEnd) else getattr(link, "waits_as", id(link))


def _chain(waits: list[Wait], last: Wait) -> list[object]:
    """Who waits for whom, first waiter first: all links that hang together with ``last``."""
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
    """What goes on behind ``end``: the step of a run that waits, and what it waits for."""
    return [wait.on] if end is wait.waiter else [wait.waiter, wait.on]
