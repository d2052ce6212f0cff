"""What SQLAlchemy's pools log of connections that fail: a line of ours, not their tracebacks.

A pool resets a connection that is given back.  Where the database is gone by then, nothing is
lost, since whoever used the connection has the outcome or an error; the pool logs it all the same.
"""

from __future__ import annotations

import logging
from typing import Any

import sqlalchemy as sa

_log = logging.getLogger("indelible.connections")

OPTIONS: dict[str, Any] = {"pool_logging_name": "indelible"}
"""Options of an engine whose pool has a logger that no other program's pool has."""


def in_a_line(engine: sa.Engine) -> None:
    """Have the pool of ``engine``, which was made with :data:`OPTIONS`, log in our way."""
    engine.pool.logger.addFilter(_tell)  # type: ignore[union-attr]  # a plain one without echo=


def _tell(record: logging.LogRecord) -> bool:
    """Say in a line what ``record`` says with a traceback; whether it is to be logged itself."""
    error = record.exc_info[1] if record.exc_info else None
    if error is None:
        return True
    words = " ".join(str(error).split())
    _log.warning("a connection is given up: %s: %s", type(error).__name__, words)
    return False
