"""Logs a failed connection of SQLAlchemy's pool as one line instead of a traceback.

A pool resets a connection that is returned to it.  If the database is gone by then, nothing is
lost, since the user of the connection has the outcome or an error already; the pool logs an error
all the same.
"""

from __future__ import annotations

import logging
from typing import Any

import sqlalchemy as sa

_log = logging.getLogger("indelible.connections")

OPTIONS: dict[str, Any] = {"pool_logging_name": "indelible"}
"""Options of an engine that give its pool a logger which no other program's pool has."""


def log_in_one_line(engine: sa.Engine) -> None:
    """Shorten the log of the pool of ``engine``, which was made with :data:`OPTIONS`."""
    engine.pool.logger.addFilter(_shorten)  # type: ignore[union-attr]  # a Logger without echo=


def _shorten(record: logging.LogRecord) -> bool:
    """Log a record with a traceback as one line; whether the pool still logs it itself."""
    error = record.exc_info[1] if record.exc_info else None
    if error is None:
        return True
    words = " ".join(str(error).split())
    _log.warning("a connection is given up: %s: %s", type(error).__name__, words)
    return False
