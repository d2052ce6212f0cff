"""How long to wait for another program's lock, which may end in the middle of the wait.

SQLite itself waits in one go, and nothing can end that; so it is asked to wait for short times.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from itertools import count
from math import ceil

from sqlalchemy.exc import DBAPIError

from indelible.events.sqlite import engines
from indelible.events.sqlite.driver_errors import is_locked

_TRY = 0.25
"""Seconds of one try: what closing may take longer for, and some 20 microseconds of work each."""


class LockWait:
    """The waiting of one store's writers; any thread may end it."""

    def __init__(self) -> None:
        """Wait in one go: nobody closes what is being opened."""
        self._in_one_go = True
        self._left: int | None = None  # tries, once the store is to be closed

    @property
    def seconds(self) -> float:
        """How long SQLite is to wait in one go."""
        busy = engines.BUSY_SECONDS
        return busy if self._in_one_go else min(busy, _TRY)

    def open(self) -> None:
        """Wait for short times from now on, as often as it takes."""
        self._in_one_go, self._left = False, None

    def close(self) -> None:
        """Wait in one go again."""
        self._in_one_go = True

    def end_within(self, seconds: float) -> None:
        """Let all waits together take that long from now on, and no more."""
        tries = ceil(seconds / _TRY)
        self._left = tries if self._left is None else min(tries, self._left)

    def begin(self, execute: Callable[[str], object]) -> None:
        """Begin a transaction that writes.

        Raises:
            sqlite3.OperationalError or DBAPIError: Another program has kept the lock for too long.
        """
        for tries in count(1):
            try:
                execute("BEGIN IMMEDIATE")
                return
            except (sqlite3.Error, DBAPIError) as error:
                if not is_locked(error) or self._is_over(tries):
                    raise

    def _is_over(self, tries: int) -> bool:
        left = self._left
        if left is not None:
            self._left = left = left - 1
        over = left is not None and left < 0
        return over or tries * self.seconds >= engines.BUSY_SECONDS
