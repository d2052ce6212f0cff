"""Who waits for whom on a group of threads: how many may, and which waits can never end."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, NamedTuple

from indelible.actors.runtime.tasks import Task
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
    """One thread's wait.

    Attributes:
        waiter: The task that waits; its ``str`` names it.
        on: What it waits for: the end of a run, or anything else by its identity.
        forever: Whether nothing but what it waits for ends it.
    """

    __slots__ = ("forever", "on", "waiter")

    def __init__(self, task: Task | None, on: object, *, forever: bool) -> None:
        """``forever`` says that the wait has no time-out; the task itself may have one."""
        self.waiter: Any = getattr(task, "__self__", task)
        self.on = on
        self.forever = forever and getattr(self.waiter, "may_last", True)


class Waits:
    """The waits of a group's threads, in the order in which they began; its group locks.

    Up to 64 of them have another thread take their place.
    """

    def __init__(self, more: int = 0, who: str = "actors") -> None:
        """Let ``more`` wait than have another thread in their place; ``who`` waits, in words."""
        self._more = more
        self._who = who
        self._all: dict[object, Wait] = {}  # by thread

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
        waits = list(self._all.values())
        full = len(waits) >= BLOCKED_LIMIT + self._more
        if full or (wait.forever and _closes_cycle(waits, wait)):
            chain = [str(link) for link in _chain(waits, wait)]
            raise DeadlockError(chain, len(waits), self._who, circle=not full)
        self._all[thread] = wait

    def end(self, thread: object) -> None:
        """Count ``thread`` no more."""
        del self._all[thread]


def _key(link: object) -> Hashable:
    """What stands for ``link``: the end of the run whose step it is, or itself."""
    return link if isinstance(link, RunEnd) else getattr(link, "waits_as", id(link))


def _edges(waits: list[Wait]) -> dict[Hashable, list[Wait]]:
    after: dict[Hashable, list[Wait]] = {}
    for wait in waits:
        after.setdefault(_key(wait.waiter), []).append(wait)
    return after


def _closes_cycle(waits: list[Wait], last: Wait) -> bool:
    """Whether following ``last.on`` over waits that last for ever leads back to the waiter."""
    after = _edges([wait for wait in waits if wait.forever])
    origin, ahead, seen = _key(last.waiter), [_key(last.on)], set[Hashable]()
    while ahead:
        key = ahead.pop()
        if key == origin:
            return True
        if key not in seen:
            seen.add(key)
            ahead += [_key(wait.on) for wait in after.get(key, ())]
    return False


def _chain(waits: list[Wait], last: Wait) -> list[object]:
    """Who waits for whom, first waiter first: all links that hang together with ``last``."""
    before = {_key(wait.on): wait.waiter for wait in waits}
    after = {_key(wait.waiter): wait for wait in waits}
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
