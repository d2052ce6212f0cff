"""Telling those who wait what became of their appends: everyone, once, come what may."""

from __future__ import annotations

import copy
import logging
from collections.abc import Sequence

from indelible.events.store import Append

_log = logging.getLogger(__name__)


def tell(outcomes: Sequence[tuple[Append, BaseException | None]]) -> None:
    """Call every ``on_done``, also when one of them raises what is not an error."""
    interrupted: BaseException | None = None
    for append, error in outcomes:
        try:
            append.on_done(append, error)
        except Exception:  # noqa: BLE001 - logged; a caller's mistake is not the store's
            _log.exception("on_done of an append to %r failed", append.stream)
        except BaseException as stop:  # noqa: BLE001 - raised again below, when all are told
            interrupted = stop
    if interrupted is not None:
        raise interrupted


def fail(
    group: Sequence[Append],
    error: BaseException,
    refused: Sequence[tuple[Append, BaseException]] = (),
) -> None:
    """Fail all of ``group``; those that were ``refused`` before keep their own error."""
    own = {id(append): refusal for append, refusal in refused}
    for append in group:
        if append.pipeline is not None:
            append.pipeline.broken = True
    tell([(append, own.get(id(append)) or fresh(error)) for append in group])


def fresh(error: BaseException) -> BaseException:
    """A copy for one asker: an exception that several threads raise mixes up their tracebacks."""
    mine: BaseException = copy.copy(error)
    mine.__cause__ = error.__cause__
    return mine
