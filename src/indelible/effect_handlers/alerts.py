"""Alerts of actors: what a person should see, said to the handlers that the system was given.

An alert is a row of the inbox from the commit of its event, and waits there until every handler
has taken it, in the process that owns the shard of :data:`STREAM`; then it is kept for 7 days.
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
from indelible.errors.texts import in_words, message_of
from indelible.events.codec.metadata import decode_metadata, encode_metadata
from indelible.events.codec.values import encode_value
from indelible.events.inbox.inbox import Command
from indelible.events.model.message_context import Context
from indelible.events.model.stream_names import is_text
from indelible.remote.process_commands import CallAgain
from indelible.remote.remote_messages import BY_EFFECT, SERVICE, check_size

KIND = "alert"
STREAM = f"service-{KIND}"
"""There is no such stream; its shard says whose process tells of alerts."""

LEVELS = {
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
}

TEXT_LIMIT = 10_000
"""Characters of an alert's text, which is a line of log and a message to a person."""

_AGAIN = RetryPolicy(attempts=1, delay=1.0, backoff=2.0, max_delay=60.0)

_log = logging.getLogger("indelible.alerts")


class Alerted(msgspec.Struct, frozen=True):
    """An alert as a handler gets it.

    Attributes:
        id: Of the effect, ``STREAM/VERSION/N``: the same however often it is told.
        stream: Of the actor.
        severity: ``info``, ``warning``, ``error`` or ``critical``.
        text: What to tell.
        about: What it is about; empty if that was not said.
        details: A value.
        context: On whose behalf, for which request, and after which event.
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
    """What is told of alerts.

    Raises:
        TypeError: Something in it is no plain function of one argument.
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
    """Takes alerts, and tells of them; any thread may use it.

    Each handler is told until it returns, the others not again while this process lives; after a
    crash all are.
    """

    def __init__(
        self, handlers: Sequence[Handler], shard_of: Callable[[str], int], sender: str
    ) -> None:
        """Tell ``handlers``."""
        self._handlers = handlers
        self._shard_of = shard_of
        self._sender = sender
        self._lock = threading.Lock()
        self._left: dict[str, tuple[Sequence[Handler], int, str]] = {}  # tries, and the last error
        self._closing = False

    def check(self, alert: Alert) -> None:
        """See that ``alert`` can be told of.

        Raises:
            RefusedError: It cannot, and why.
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
        """What the inbox is to hold of an :class:`Alert`."""
        alert: Alert = caused.effect
        context = encode_metadata(caused.context)
        said = [caused.id, alert.severity, alert.text, alert.about, alert.details, context]
        body = encode_value(said)
        check_size(body)
        shard = self._shard_of(STREAM)
        return Command(BY_EFFECT + caused.id, shard, STREAM, SERVICE + KIND, body, self._sender)

    def tell(self, said: list[Any]) -> CallAgain | None:
        """Tell the handlers that have not heard of it; on a thread of its own.

        Returns:
            When it is told again, if one of them failed.

        Raises:
            SystemClosedError: The next owner of the shard does it.
        """
        if self._closing:
            raise SystemClosedError("an alert", "the system is closing")
        alerted = _alerted(said)
        handlers, tries, _ = self._left.get(alerted.id, (self._handlers, 0, ""))
        if not tries:
            of = f" ({alerted.about})" if alerted.about else ""
            extra = {"stream": alerted.stream, "alert": alerted.id, "about": alerted.about}
            level = LEVELS[alerted.severity]
            _log.log(level, "%s%s: %s", alerted.stream, of, alerted.text, extra=extra)
        left: list[Handler] = []
        why = ""
        for handler in handlers:
            try:
                handler(alerted)
            except Exception as error:  # noqa: BLE001 - a user's handler may raise anything
                left.append(handler)
                why = in_words(error)
                _log.exception("alert %s was not taken, and is told again", alerted.id)
        with self._lock:
            if left:
                self._left[alerted.id] = left, tries + 1, why
            else:
                self._left.pop(alerted.id, None)
        if left:
            return CallAgain(retry_delay(_AGAIN, alerted.id, "", tries + 1))
        return None

    def trouble(self) -> Sequence[str]:
        """What keeps alerts from being told, in words."""
        with self._lock:
            left = list(self._left.values())
        if not left:
            return ()
        are = "1 alert is" if len(left) == 1 else f"{len(left)} alerts are"
        return (f"{are} not taken, and told again; the last error: {left[-1][2]:.1000}",)

    def moved(self, _gained: Collection[int], lost: Collection[int]) -> None:
        """Forget what another process tells of from now on."""
        if self._shard_of(STREAM) in lost:
            with self._lock:
                self._left.clear()

    def stop(self) -> None:
        """Tell of nothing more."""
        self._closing = True


def _alerted(said: list[Any]) -> Alerted:
    identity, severity, text, about, details, context = said
    stream = identity.rsplit("/", 2)[0]
    return Alerted(identity, stream, severity, text, about, details, decode_metadata(context))
