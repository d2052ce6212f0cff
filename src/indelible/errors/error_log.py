"""Logging of errors in our own threads: an unavailable store in one line, others in full."""

from __future__ import annotations

import logging

from indelible.errors.store import StoreUnavailableError


def log_error(logger: logging.Logger, error: BaseException, message: str, *args: object) -> None:
    """Log ``message`` with ``error``, and its traceback.

    StoreUnavailableError is logged without a traceback, which would add nothing.
    """
    if isinstance(error, StoreUnavailableError):
        logger.warning("%s: %s", message % args, error)
    else:
        logger.error(message, *args, exc_info=error)
