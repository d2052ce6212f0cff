"""Work that may take the server long, such as a migration: it is asked whether it still works.

Such a statement gives no sign for minutes.  So its silence says nothing; what the server says about
it on another connection does.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf
from typing import Any

import psycopg
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from indelible.threads import start_now

_DENIALS = 2
"""Questions in a row that must find no work: one may have got no answer on a busy machine, or have
been asked after the end of the statement and before its thread has heard of it."""

_WORKS = "SELECT count(*) FROM pg_stat_activity WHERE pid = {} AND state = 'active'"


@contextmanager
def attended(connection: sa.Connection, others: sa.Engine, seconds: float) -> Iterator[None]:
    """Let statements in the block take as long as the server works on them, but no longer.

    One that does not move is asked about through ``others``, and cut once it has not moved for
    ``seconds`` at least and nothing says that the server works on it.

    Raises:
        ThreadUnavailableError: The host gives no thread; nothing has been done.
    """
    driver: Any = connection.connection.driver_connection
    process = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
    over = threading.Event()

    def attend() -> None:
        moves, denials = -1, 0
        while not over.wait(seconds / _DENIALS):
            still = driver.waiting and driver.moves == moves
            denials = denials + 1 if still and not _works(others, process) else 0
            if denials >= _DENIALS and driver.moves == moves:
                driver.cut(f"the database has not answered for {seconds:g} s, and does not work")
            moves = driver.moves

    thread = threading.Thread(target=attend, name="indelible-attending", daemon=True)
    start_now(thread)
    patience, driver.patience = driver.patience, inf
    try:
        yield
    finally:
        over.set()
        driver.patience = patience


def _works(others: sa.Engine, process: int) -> bool:
    try:
        with others.connect() as connection:
            found: int = connection.exec_driver_sql(_WORKS.format(process)).scalar_one()
    except (SQLAlchemyError, psycopg.Error):
        return False  # the server is not reached
    return found > 0
