"""Checks of a caller's context: principal, reason, tenant, request and trace."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from indelible.arguments.ids_and_timeouts import check_id
from indelible.errors import RefusedError
from indelible.events.model.message_context import CAUSE_LIMIT, Context
from indelible.events.model.trace_context import is_traceparent, is_tracestate

REASON_LIMIT = 1_000
"""Characters of a reason: a few sentences, which are stored in every event that they caused."""

_JOINERS = "\u200c\u200d"  # between letters of Persian and Indic scripts, and within emoji


def check_context(context: Context) -> None:
    """Refuse a context from another process if no caller could have set it.

    Raises:
        RefusedError: A field is not valid.
    """
    given = {name: getattr(context, name) for name in Context.__struct_fields__}
    checked(**{_PARAMETERS.get(name, name): value or None for name, value in given.items()})


def checked(**given: str | None) -> Context:
    """The context made of the parameters ``given``; ``None`` means not given.

    Raises:
        RefusedError: A parameter is not valid; the message names it.
    """
    fields: dict[str, str] = {}
    for parameter, text in given.items():
        if text is not None:
            _CHECKS.get(parameter, check_id)(parameter, text)
            fields[_FIELDS.get(parameter, parameter)] = str.__str__(
                text
            )  # a plain str, also of a subclass
    if "tracestate" in fields and "traceparent" not in fields:
        raise RefusedError("tracestate without a traceparent: give both")
    return Context(**fields)


def _check_reason(what: str, text: str) -> None:
    if not isinstance(text, str) or not 1 <= len(text) <= REASON_LIMIT or not _is_line(text):
        found = f"{what} {text!r:.80} is not text of 1 to {REASON_LIMIT:,} characters in one line"
        raise RefusedError(f"{found}, without control characters")


def _is_line(text: str) -> bool:
    """Whether ``text`` is one line; it may have the spaces and joiners of all scripts."""
    if text.isprintable():
        return True
    import unicodedata

    return all(
        letter.isprintable() or letter in _JOINERS or unicodedata.category(letter) == "Zs"
        for letter in text
    )


def check_cause(what: str, text: str) -> None:
    """Refuse a causation id that is not valid.

    Raises:
        RefusedError: ``text`` is not text of 1 to 1,000 printable characters.
    """
    if not isinstance(text, str) or not 1 <= len(text) <= CAUSE_LIMIT or not text.isprintable():
        found = f"{what} {text!r:.80} is not text of 1 to {CAUSE_LIMIT:,} printable characters"
        raise RefusedError(found)


def _check_traceparent(what: str, text: str) -> None:
    if not isinstance(text, str) or not is_traceparent(text):
        raise RefusedError(
            f"{what} {text!r:.80} is no W3C trace context: give VERSION-TRACE-PARENT-FLAGS in "
            "lower-case hexadecimal, such as "
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        )


def _check_tracestate(what: str, text: str) -> None:
    if not isinstance(text, str) or not is_tracestate(text):
        raise RefusedError(
            f"{what} {text!r:.80} is no W3C trace state: give up to 32 entries KEY=VALUE with "
            "commas between them, 512 characters in all"
        )


_CHECKS: Mapping[str, Callable[[str, Any], None]] = {
    "why": _check_reason,
    "causation_id": check_cause,
    "traceparent": _check_traceparent,
    "tracestate": _check_tracestate,
}
_FIELDS = {"by": "principal", "why": "reason"}
_PARAMETERS = {field: parameter for parameter, field in _FIELDS.items()}
