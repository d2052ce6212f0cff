"""Alerts of actors, for people: the system's alert handlers get them.

An alert becomes an inbox row in the commit of its event.  The process that owns the shard of
:data:`STREAM` calls the handlers until each has returned; then the row is kept for 7 days.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

import msgspec

from indelible.actors.effects.calls.host_functions import inspect_function
from indelible.actors.effects.effect_types import Alert, Caused
from indelible.actors.effects.retry_policy import RetryPolicy, retry_delay
from indelible.errors import (
    PayloadTooLargeError,
    RefusedError,
    SystemClosedError,
    ValueNotStorableError,
)
from indelible.errors.error_text import in_words, message_of
from indelible.events.codec.metadata import decode_metadata, encode_metadata
from indelible.events.codec.values import encode_value
from indelible.events.inbox.inbox import Command
from indelible.events.model.message_context import Context
from indelible.events.model.stream_names import is_text
from indelible.remote.process_commands import CallAgain
from indelible.remote.remote_messages import BY_EFFECT, SERVICE, check_size

KIND = "alert"
STREAM = f"service-{KIND}"
"""There is no such stream; the owner of its shard is the process that calls the handlers."""

LEVELS = {
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
}

TEXT_LIMIT = 10_000
"""Characters of an alert's text, which is logged as one line and shown to people."""

_AGAIN = RetryPolicy(attempts=1, delay=1.0, backoff=2.0, max_delay=60.0)

_log = logging.getLogger("indelible.alerts")


class Alerted(msgspec.Struct, frozen=True):
    """An alert, as its handlers get it.

    Attributes:
        id: Id of the effect, ``STREAM/VERSION/N``: the same in every call of a handler.
        stream: Stream of the actor.
        severity: ``info``, ``warning``, ``error`` or ``critical``.
        text: The text for people.
        about: The subject; may be empty.
        details: A value.
        context: Principal, request and causing event.
    """

    id: str
    stream: str
    severity: str
    text: str
    about: str
    details: Any
    context: Context


Handler = Callable[[Alerted], object]


def handlers_of(given: Iterable[Handler]) -> Sequence[Handler]:
    """Check the alert handlers of a system and return them.

    Raises:
        TypeError: A handler is not a plain function of one argument.
    """
    handlers = list(given)
    for handler in handlers:
        try:
            function = inspect_function("alerts", handler)
        except TypeError as error:
            raise TypeError(f"alerts: {handler!r:.80}: {_WANTED}") from error
        if function.takes_context or not function.blocking:
            raise TypeError(f"alerts: {handler!r:.80}: {_WANTED}")
    return handlers


_WANTED = "give plain functions of an alert"


class Alerts:
    """Writes alerts to the inbox and calls the handlers; any thread may use it.

    A handler that raises is called again until it returns, without the others; after a crash all
    handlers are called again.
    """

    def __init__(
        self, handlers: Sequence[Handler], shard_of: Callable[[str], int], sender: str
    ) -> None:
        """Call ``handlers``; ``sender`` names this process."""
        self._handlers = handlers
        self._shard_of = shard_of
        self._sender = sender
        self._lock = threading.Lock()
        self._unfinished: dict[
            str, tuple[Sequence[Handler], int, str]
        ] = {}  # with tries, last error
        self._closing = False

    def check(self, alert: Alert) -> None:
        """Refuse an alert that is not valid.

        Raises:
            RefusedError: ``alert`` is not valid; the message says why.
        """
        if alert.severity not in LEVELS:
            raise RefusedError(f"an Alert's severity is one of {', '.join(LEVELS)}: {alert!r:.80}")
        for what, text, most in (("text", alert.text, TEXT_LIMIT), ("about", alert.about, 200)):
            if not isinstance(text, str) or len(text) > most or not is_text(text):
                raise RefusedError(
                    f"an Alert's {what} has at most {most:,} characters: {text!r:.80}"
                )
        if not alert.text:
            raise RefusedError("an Alert without a text")
        try:
            check_size(encode_value(alert.details))
        except (ValueNotStorableError, PayloadTooLargeError) as error:
            raise RefusedError(f"the details of an Alert: {message_of(error)}") from error

    def row(self, caused: Caused) -> Command:
        """The inbox row of an :class:`Alert`."""
        alert: Alert = caused.effect
        context = encode_metadata(caused.context)
        parts = [caused.id, alert.severity, alert.text, alert.about, alert.details, context]
        body = encode_value(parts)
        check_size(body)
        shard = self._shard_of(STREAM)
        return Command(BY_EFFECT + caused.id, shard, STREAM, SERVICE + KIND, body, self._sender)

    def tell(self, parts: list[Any]) -> CallAgain | None:
        """Call the handlers that have not returned for this alert; runs on its own thread.

        Returns:
            The pause until the next call, if a handler failed.

        Raises:
            SystemClosedError: The next owner of the shard calls the handlers.
        """
        if self._closing:
            raise SystemClosedError("an alert", "the system is closing")
        alerted = _decode(parts)
        handlers, tries, _ = self._unfinished.get(alerted.id, (self._handlers, 0, ""))
        if not tries:
            of = f" ({alerted.about})" if alerted.about else ""
            extra = {"stream": alerted.stream, "alert": alerted.id, "about": alerted.about}
            level = LEVELS[alerted.severity]
            _log.log(level, "%s%s: %s", alerted.stream, of, alerted.text, extra=extra)
        unfinished: list[Handler] = []
        why = ""
        for handler in handlers:
            try:
                handler(alerted)
            except Exception as error:  # noqa: BLE001 - a user's handler may raise anything
                unfinished.append(handler)
                why = in_words(error)
                _log.exception("a handler failed on alert %s and will be called again", alerted.id)
        with self._lock:
            if unfinished:
                self._unfinished[alerted.id] = unfinished, tries + 1, why
            else:
                self._unfinished.pop(alerted.id, None)
        if unfinished:
            return CallAgain(retry_delay(_AGAIN, alerted.id, "", tries + 1))
        return None

    def failures(self) -> Sequence[str]:
        """Failures of handlers, as text for the system's health."""
        with self._lock:
            unfinished = list(self._unfinished.values())
        if not unfinished:
            return ()
        waiting = "1 alert waits" if len(unfinished) == 1 else f"{len(unfinished)} alerts wait"
        return (f"{waiting} for a handler that failed; its last error: {unfinished[-1][2]:.1000}",)

    def on_ownership(self, _gained: Collection[int], lost: Collection[int]) -> None:
        """Forget the unfinished alerts if another process owns them from now on."""
        if self._shard_of(STREAM) in lost:
            with self._lock:
                self._unfinished.clear()

    def stop(self) -> None:
        """Call no handler from now on."""
        self._closing = True


def _decode(parts: list[Any]) -> Alerted:
    identity, severity, text, about, details, context = parts
    stream = identity.rsplit("/", 2)[0]
    return Alerted(identity, stream, severity, text, about, details, decode_metadata(context))
