"""How the errors of our own threads are logged: a silent database in a line, bugs in full."""

from __future__ import annotations

import logging

from indelible.errors.store import StoreUnavailableError


def log_error(logger: logging.Logger, error: BaseException, message: str, *args: object) -> None:
    """Log ``message`` with ``error``, and its traceback.

    There is none where the store is unavailable: that says it all, and the driver's says less.
    """
    if isinstance(error, StoreUnavailableError):
        logger.warning("%s: %s", message % args, error)
    else:
        logger.error(message, *args, exc_info=error)
