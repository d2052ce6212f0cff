"""Long statements, such as a migration: a second connection asks whether the server works on them.

Such a statement may send nothing for minutes, so that silence on its connection proves nothing.
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

_IDLE_CHECKS = 2
"""Checks in a row that must find no work: one may get no answer on a busy machine, or come between
the end of the statement and the arrival of its answer."""

_ACTIVE = "SELECT count(*) FROM pg_stat_activity WHERE pid = {} AND state = 'active'"


@contextmanager
def while_server_works(
    connection: sa.Connection, others: sa.Engine, seconds: float
) -> Iterator[None]:
    """Let statements in the block take as long as the server works on them, but no longer.

    If a statement makes no progress, a connection of ``others`` asks about it.  It is cut once it
    has made no progress for at least ``seconds`` and the server does not report work on it.

    Raises:
        ThreadUnavailableError: The host gives no thread; the block did not run.
    """
    driver: Any = connection.connection.driver_connection
    process = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
    over = threading.Event()

    def check() -> None:
        progress, idle = -1, 0
        while not over.wait(seconds / _IDLE_CHECKS):
            stuck = driver.waiting and driver.progress == progress
            idle = idle + 1 if stuck and not _is_active(others, process) else 0
            if idle >= _IDLE_CHECKS and driver.progress == progress:
                driver.cut(f"the database has not answered for {seconds:g} s, and does not work")
            progress = driver.progress

    thread = threading.Thread(target=check, name="indelible-long-statement", daemon=True)
    start_now(thread)
    limit, driver.silence_limit = driver.silence_limit, inf
    try:
        yield
    finally:
        over.set()
        driver.silence_limit = limit


def _is_active(others: sa.Engine, process: int) -> bool:
    try:
        with others.connect() as connection:
            found: int = connection.exec_driver_sql(_ACTIVE.format(process)).scalar_one()
    except (SQLAlchemyError, psycopg.Error):
        return False  # the server is not reached
    return found > 0
