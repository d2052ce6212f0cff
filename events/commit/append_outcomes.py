"""Completes or fails each append of a group exactly once, by its ``on_done``."""

from __future__ import annotations

import copy
import logging
from collections.abc import Sequence

from indelible.events.store import Append

_log = logging.getLogger(__name__)


def complete(outcomes: Sequence[tuple[Append, BaseException | None]]) -> None:
    """Call every ``on_done``, even if one of them raises, such as a ``KeyboardInterrupt``."""
    interrupted: BaseException | None = None
    for append, error in outcomes:
        try:
            append.on_done(append, error)
        except Exception:  # noqa: BLE001 - logged; a caller's mistake is not the store's
            _log.exception("on_done of an append to %r failed", append.stream)
        except BaseException as stop:  # noqa: BLE001 - raised again below, after the others
            interrupted = stop
    if interrupted is not None:
        raise interrupted


def fail(
    group: Sequence[Append],
    error: BaseException,
    refused: Sequence[tuple[Append, BaseException]] = (),
) -> None:
    """Fail all of ``group`` with ``error``; the ``refused`` ones fail with their own errors."""
    own = {id(append): refusal for append, refusal in refused}
    for append in group:
        if append.pipeline is not None:
            append.pipeline.broken = True
    complete([(append, own.get(id(append)) or copy_error(error)) for append in group])


def copy_error(error: BaseException) -> BaseException:
    """Copy an error for one caller: threads that raise the same exception mix up tracebacks."""
    copied: BaseException = copy.copy(error)
    copied.__cause__ = error.__cause__
    return copied
