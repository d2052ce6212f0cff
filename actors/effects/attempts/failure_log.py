"""The log record of an attempt that failed, on the logger ``indelible.steps``."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress

from indelible.actors.effects.attempts.error_record import ErrorRecord

logger = logging.getLogger("indelible.steps")

_TEXT = 200
"""Characters of the error's text in the record's own line; the traceback follows it."""


def log_failure(
    what: str,
    names: Mapping[str, str],
    attempt: int,
    error: BaseException,
    record: ErrorRecord,
    *,
    again: bool,
) -> None:
    """Log one record of ``what`` with the traceback and the attributes ``names`` and ``attempt``.

    The level is warning if there will be another attempt (``again``), else error.  An exception of
    a log handler is dropped: logging must not change how a step ends.
    """
    with suppress(BaseException):  # a formatter calls the error's own text
        logger.log(
            logging.WARNING if again else logging.ERROR,
            "%s failed in attempt %d%s: %s: %s",
            what,
            attempt,
            ", and will be tried again" if again else "",
            record.error_type,
            " ".join(record.message[:_TEXT].split()),
            exc_info=error,
            extra={**names, "attempt": attempt},
        )
