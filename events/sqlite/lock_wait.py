"""Waits for another program's lock in short tries, so that closing can end the wait.

A wait inside SQLite cannot be interrupted, so each wait inside it is short.
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
"""Seconds of one try: closing may take that much longer; a try costs some 20 microseconds."""


class LockWait:
    """The waits of one store's writers; any thread may end them."""

    def __init__(self) -> None:
        """Wait in one long try while the store opens, as it cannot be closed then."""
        self._single_try = True
        self._left: int | None = None  # tries, once the store is closing

    @property
    def seconds(self) -> float:
        """How long SQLite waits in one try."""
        busy = engines.BUSY_SECONDS
        return busy if self._single_try else min(busy, _TRY)

    def open(self) -> None:
        """Wait in short tries from now on."""
        self._single_try, self._left = False, None

    def close(self) -> None:
        """Wait in one long try again."""
        self._single_try = True

    def end_within(self, seconds: float) -> None:
        """Limit the sum of all waits to ``seconds`` from now on."""
        tries = ceil(seconds / _TRY)
        self._left = tries if self._left is None else min(tries, self._left)

    def begin(self, execute: Callable[[str], object]) -> None:
        """Begin a writing transaction.

        Raises:
            sqlite3.OperationalError or DBAPIError: Another program has held the lock too long.
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
