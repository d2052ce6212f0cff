"""The record of an exception: type, text, traceback and causes, each with a size limit.

Reading them may call users' code.  Nothing here raises, so that a failed attempt is always recorded
as failed.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from types import TracebackType
from typing import NamedTuple

from indelible.errors.error_text import MESSAGE_LIMIT, clean, guarded, type_name, unreadable
from indelible.events.model.run_events import Cause

TRACEBACK_LIMIT = 4_096
"""Characters of the traceback, the last ones: some 20 frames with their lines of code."""

FRAMES = 20
"""Frames of the traceback, the last ones: where a recursion began matters less than its end."""

DETAIL_LIMIT = 512
"""Characters of a note, and of the text of a cause."""

NOTES, CAUSES, DEPTH = 16, 16, 8
"""Notes in all, causes in all, and links from the step's own exception to a cause."""

_ENGINE = (
    "indelible.actors.effects.",
    "indelible.actors.workflow.",
    "indelible.actors.step_types.functions",
    "indelible.events.",
)
"""Modules whose frames at the head of a traceback are not the step's own code."""

_RelatedError = tuple[str, BaseException]


class ErrorRecord(NamedTuple):
    """An exception as plain values, as in the event ``run.step_failed``."""

    error_type: str
    message: str
    traceback: str = ""
    causes: tuple[Cause, ...] = ()


def record_of(error: BaseException) -> ErrorRecord:
    """The record of ``error`` for the log; never raises.

    >>> record_of(ValueError("no such day"))
    ErrorRecord(error_type='ValueError', message='no such day', traceback='', causes=())
    """
    causes = guarded(lambda: _causes(error), lambda _: ())
    return ErrorRecord(
        type_name(error),
        guarded(lambda: _message(error, causes), unreadable),
        guarded(lambda: _traceback(error), lambda _: ""),
        causes,
    )


# -- texts


def _message(error: BaseException, causes: tuple[Cause, ...]) -> str:
    """The error's text and notes; the text of a group says only how many exceptions it has."""
    lines = [clean(str(error), MESSAGE_LIMIT) or _place(error), *_notes(error)]
    if isinstance(error, BaseExceptionGroup):
        lines += [f"{'  ' * c.depth}{c.error_type}: {c.error_message}" for c in causes]
    return "\n".join(lines)


def _notes(error: BaseException) -> list[str]:
    notes = getattr(error, "__notes__", None)
    if not isinstance(notes, list | tuple):
        return []
    return [clean(str(note), DETAIL_LIMIT) for note in notes[:NOTES]]


def _place(error: BaseException) -> str:
    """The text for an error without a text: its ``repr`` and its place."""
    frames = traceback.extract_tb(error.__traceback__, limit=-1)
    where = f" (at {frames[0].name}, line {frames[0].lineno})" if frames else ""
    return clean(repr(error) + where, MESSAGE_LIMIT)


def _traceback(error: BaseException) -> str:
    frames = traceback.extract_tb(_without_engine_frames(error.__traceback__), limit=-FRAMES)
    text = "".join(frames.format()).encode(errors="replace").decode()
    if len(text) <= TRACEBACK_LIMIT:
        return text
    return "  …\n" + text[-TRACEBACK_LIMIT:].partition("\n")[2]


def _without_engine_frames(trace: TracebackType | None) -> TracebackType | None:
    """``trace`` without the frames of the engine that lead to the step's function."""
    while trace is not None and _is_engine(trace):
        trace = trace.tb_next
    return trace


def _is_engine(trace: TracebackType) -> bool:
    return str(trace.tb_frame.f_globals.get("__name__")).startswith(_ENGINE)


# -- causes


def _causes(error: BaseException) -> tuple[Cause, ...]:
    """The causes of ``error``, each before its own causes; each once, and bounded in number."""
    found: list[Cause] = []
    seen = {id(error)}
    waiting = [(1, _related(error))]
    while waiting and len(found) < CAUSES:
        depth, related = waiting[-1]
        relation, cause = next(related, ("", None))
        if cause is None:
            waiting.pop()
        elif id(cause) not in seen:
            seen.add(id(cause))
            found.append(_cause(relation, depth, cause))
            if depth < DEPTH:
                waiting.append((depth + 1, _related(cause)))
    return tuple(found)


def _related(error: BaseException) -> Iterator[_RelatedError]:
    if isinstance(error, BaseExceptionGroup):
        for member in error.exceptions:
            yield "member", member
    if error.__cause__ is not None:
        yield "cause", error.__cause__
    elif error.__context__ is not None and not error.__suppress_context__:
        yield "context", error.__context__


def _cause(relation: str, depth: int, error: BaseException) -> Cause:
    message = guarded(
        lambda: "\n".join([clean(str(error), DETAIL_LIMIT), *_notes(error)[:2]]), unreadable
    )
    return Cause(
        relation, depth, type_name(error), message, guarded(lambda: _location(error), lambda _: "")
    )


def _location(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__, limit=-1)
    where = f"{frames[0].filename}:{frames[0].lineno} in {frames[0].name}" if frames else ""
    return clean(where, DETAIL_LIMIT)
