"""When an actor is set aside instead of restarted, and the error that it then answers with."""

from __future__ import annotations

import logging

from indelible.actors.durable.recovery.restart_intensity import Restarts
from indelible.errors import (
    ActorFailedError,
    ActorQuarantinedError,
    ActorStoppedError,
    IndelibleError,
    RefusedError,
    StaleEpochError,
    StoreCorruptError,
    UnknownEventTypeError,
)
from indelible.errors.error_text import in_words

logger = logging.getLogger("indelible.actors")


def as_failure(stream: str, error: BaseException) -> BaseException:
    """The error for askers after ``error`` was raised outside of ``decide``.

    A refusal raised there is a fault of the program: askers must not take it for a valid refusal.
    """
    if not isinstance(error, RefusedError):
        return error
    why = f"{error!r} was raised outside of decide(), and only decide() may refuse"
    failed = ActorFailedError(stream, why)
    failed.__cause__ = error
    return failed


def is_damage(error: BaseException | None) -> bool:
    """Whether the log holds data that this process cannot read; another try cannot help."""
    return isinstance(error, StoreCorruptError | UnknownEventTypeError)


def refusal_after(
    stream: str,
    failure: BaseException,
    recent: Restarts,
    now: int,
    before: IndelibleError | None,
) -> IndelibleError | None:
    """The error with which the actor of ``stream`` refuses all messages after ``failure``.

    ``None`` if it may restart: at ``now`` (monotonic nanoseconds) the ``recent`` failures are not
    too many.  ``before`` is the error with which it already refuses messages.
    """
    if isinstance(failure, StaleEpochError):
        return ActorStoppedError(stream, str(failure))
    if isinstance(failure, StoreCorruptError | UnknownEventTypeError):
        logger.error("%s is set aside: %s", stream, failure)
        return failure
    if not recent.exceeded_by(now):
        return before
    limit = recent.intensity
    refusal = ActorQuarantinedError(stream, limit.restarts + 1, limit.within, in_words(failure))
    logger.error("%s", refusal)
    return refusal
