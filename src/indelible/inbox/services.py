"""Commands for the process rather than for one of its actors: by name, one after the other."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from indelible.errors import IndelibleError, RefusedError
from indelible.events.errands import Errands
from indelible.events.inbox import Command
from indelible.events.values import decode_value
from indelible.inbox.answers import encode_error, encode_reply

_log = logging.getLogger("indelible.inbox")

Handler = Callable[[Any], Any]
"""Gets the command's value and returns the reply, both storable; may block, and may raise.

It is called again if the process dies before its answer is written.
"""


class Services:
    """The handlers of one system, by kind; any thread may ask."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._handlers: dict[str, Handler] = {}
        self._errands = Errands("indelible-services")

    def offer(self, kind: str, handler: Handler) -> None:
        """Answer commands ``service.KIND`` with ``handler``."""
        self._handlers[kind] = handler

    def run(self, command: Command, done: Callable[[bytes], None]) -> None:
        """Handle ``command`` after those before it, and call ``done`` with the encoded answer."""
        self._errands.run(lambda: done(self._answer(command)))

    def stop(self) -> None:
        """Finish what is queued."""
        self._errands.stop()

    def _answer(self, command: Command) -> bytes:
        handler = self._handlers.get(command.kind.partition(".")[2])
        try:
            if handler is None:
                known = ", ".join(sorted(self._handlers)) or "none"
                raise RefusedError(f"no command {command.kind!r} in this process; it has {known}")
            return encode_reply(command.stream, handler(decode_value(command.body)), {})
        except Exception as error:  # noqa: BLE001 - the asker gets it
            if not isinstance(error, IndelibleError):
                _log.exception("command %s failed", command.kind)
            return encode_error(command.stream, error)
