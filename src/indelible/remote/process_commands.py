"""Commands for a process, not for an actor: handlers by kind, run one after the other."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from indelible.errors import IndelibleError, RefusedError, SystemClosedError
from indelible.events.codec.values import decode_value
from indelible.events.concurrency.task_thread import Task, TaskThread
from indelible.events.inbox.inbox import Command
from indelible.remote.answer_codec import encode_error, encode_reply

_log = logging.getLogger("indelible.inbox")

Handler = Callable[[Any], Any]
"""Gets the command's value and returns the reply, both storable; may block and may raise.

It is called again if the process dies before its answer is written, perhaps in another process.
"""

Done = Callable[[bytes | None, float], None]
"""Gets the encoded answer; or ``None`` and the seconds until the command is delivered again."""


class TaskRunner(Protocol):
    """Runs tasks one after the other."""

    def run(self, task: Task, /) -> None:
        """Run ``task`` soon."""
        ...

    def stop(self) -> None:
        """Finish the queued tasks."""
        ...


class CallAgain(NamedTuple):
    """Returned by a handler that has not succeeded: it is called again in ``seconds``."""

    seconds: float


class ProcessCommands:
    """The handlers of one system, by kind; for any thread."""

    def __init__(self, new: Callable[[str], TaskRunner] = TaskThread) -> None:
        """Begin without handlers; ``new`` makes a task runner of a name."""
        self._handlers: dict[str, Handler] = {}
        self._new = new
        self._quick = new("indelible-services")
        self._slow: dict[str, TaskRunner] = {}

    def offer(self, kind: str, handler: Handler, *, slow: bool = False) -> None:
        """Answer commands ``service.KIND`` with ``handler``.

        A ``slow`` handler may take long: its commands wait for each other, and no other command
        waits for them.  It must return when its system is closed.
        """
        self._handlers[kind] = handler
        if slow:
            self._slow[kind] = self._new(f"indelible-{kind}")

    def run(self, command: Command, done: Done) -> None:
        """Handle ``command`` after earlier ones, and call ``done`` with the encoded answer."""
        task_thread = self._slow.get(_kind(command), self._quick)
        task_thread.run(lambda: done(*self._answer(command)))

    def stop(self) -> None:
        """Finish the queued commands."""
        for task_thread in (self._quick, *self._slow.values()):
            task_thread.stop()

    def _answer(self, command: Command) -> tuple[bytes | None, float]:
        handler = self._handlers.get(_kind(command))
        try:
            if handler is None:
                known = ", ".join(sorted(self._handlers)) or "none"
                raise RefusedError(f"no command {command.kind!r} in this process; it has {known}")
            reply = handler(decode_value(command.body))
            if type(reply) is CallAgain:
                return None, reply.seconds
            return encode_reply(command.stream, reply, {}), 0.0
        except SystemClosedError:
            return None, 0.0  # the next owner handles it
        except Exception as error:  # noqa: BLE001 - it is the answer
            if not isinstance(error, IndelibleError):
                _log.exception("command %s failed", command.kind)
            return encode_error(command.stream, error), 0.0


def _kind(command: Command) -> str:
    return command.kind.partition(".")[2]
