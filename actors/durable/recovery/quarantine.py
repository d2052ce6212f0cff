"""When an actor is set aside rather than restarted, and what it answers from then on."""

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
from indelible.errors.texts import in_words

logger = logging.getLogger("indelible.actors")


def as_failure(stream: str, error: BaseException) -> BaseException:
    """What askers are told of ``error``, which was raised where nobody may refuse.

    A refusal there is a fault of the program: it would tell them that all is well.
    """
    if not isinstance(error, RefusedError):
        return error
    why = f"{error!r} was raised outside of decide(), and only decide() may refuse"
    failed = ActorFailedError(stream, why)
    failed.__cause__ = error
    return failed


def is_damage(error: BaseException | None) -> bool:
    """Whether the log holds what this process cannot read, however often it tries."""
    return isinstance(error, StoreCorruptError | UnknownEventTypeError)


def refusal_after(
    stream: str,
    failure: BaseException,
    recent: Restarts,
    now: int,
    before: IndelibleError | None,
) -> IndelibleError | None:
    """What the actor of ``stream`` refuses all messages with after ``failure``.

    ``None`` if it may try again: that was not one failure too many among the ``recent`` ones at
    ``now`` (monotonic nanoseconds).  ``before`` is what it refuses with already.
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
