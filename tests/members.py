"""Several processes' stores on one PostgreSQL database, side by side in a test."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack, closing
from types import TracebackType
from typing import Any, Self

from indelible.events.commit.shard_plan import shard_of
from indelible.events.postgres.store import PostgresEventStore

SHARDS = 8
LONG, SHORT = 60.0, 2.0
"""Leases in seconds: one that ends in no test, and one that a test can wait for."""

PATIENCE = 30.0
"""Seconds after which what has not happened is taken as never to happen."""


class Members:
    """Makes stores of one database and closes them."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    def make(self, **options: Any) -> PostgresEventStore:
        """A closed store."""
        options = {"shards": SHARDS, "lease": LONG, **options}
        return self._stack.enter_context(closing(PostgresEventStore(self.url, **options)))

    def open(self, **options: Any) -> Member:
        """An open store, and what becomes of its shards."""
        member = Member(self.make(**options))
        member.store.open()
        member.note(member.store.owned(), frozenset())
        return member


class Member:
    """A store whose shards are watched."""

    def __init__(self, store: PostgresEventStore) -> None:
        self.store = store
        self.lost: list[int] = []
        self._changed = threading.Condition()
        store.on_ownership(self.note)

    def note(self, _gained: frozenset[int], lost: frozenset[int]) -> None:
        with self._changed:
            self.lost += sorted(lost)
            self._changed.notify_all()

    def wait(self, holds: Callable[[], bool]) -> None:
        """Wait until ``holds``, looking at each change of ownership."""
        with self._changed:
            assert self._changed.wait_for(holds, PATIENCE), f"owns {sorted(self.store.owned())}"

    def wait_for_share(self, count: int) -> frozenset[int]:
        """Wait until it owns ``count`` shards."""
        self.wait(lambda: len(self.store.owned()) == count)
        return self.store.owned()

    def wait_for_shards(self, *numbers: int) -> None:
        """Wait until it owns these, others or not."""
        self.wait(lambda: self.store.owned() >= set(numbers))


def stream_in(shard: int, number: int = 0, shards: int = SHARDS) -> str:
    """The name of the ``number``-th stream of a shard."""
    names = (f"run-{n}" for n in range(1_000_000))
    found = (name for name in names if shard_of(name, shards) == shard)
    for _ in range(number):
        next(found)
    return next(found)
