"""Sends commands to other processes and waits for their answers, for all threads of this process.

Commands that many threads send at once share one transaction, and one query finds all answers.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import msgspec

from indelible.actors.runtime.future import PooledFuture
from indelible.actors.workflow.run_messages import Describe
from indelible.clock import Clock
from indelible.errors import (
    AskTimeoutError,
    IndelibleError,
    MessageExistsError,
    NobodyAnswersError,
    RefusedError,
    StoreUnavailableError,
    SystemClosedError,
)
from indelible.events.codec.metadata import encode_metadata
from indelible.events.codec.values import encode_value
from indelible.events.inbox.inbox import Command, InboxWatcher
from indelible.events.model.message_context import Context
from indelible.events.store import EventStore
from indelible.ids import Ids
from indelible.loops import Loop
from indelible.remote.answer_codec import decode_answer
from indelible.remote.remote_future import RemoteFuture
from indelible.remote.remote_messages import (
    BY_EFFECT,
    SERVICE,
    MessageTypes,
    check_size,
    encode_message,
)
from indelible.threads import refusals

_log = logging.getLogger("indelible.inbox")

_MAX_PAUSE = 0.1
"""Seconds between two polls for an answer that takes long."""

_MIN_PAUSE = 0.002
"""Seconds until the first poll: slightly more than a commit on an idle machine."""

_PAUSE_DIVISOR = 8  # the next pause is the time waited so far, divided by this


class _SentCommand(msgspec.Struct, gc=False, eq=False):
    """A command that has no answer yet."""

    command: Command
    types: MessageTypes
    timeout: float
    sent_at: int  # monotonic nanoseconds
    give_up_at: int
    future: PooledFuture[Any]
    wants_answer: bool


class InboxClient:
    """The sending side of the inbox; its thread starts with the first command."""

    def __init__(
        self,
        store: EventStore,
        types: dict[str, dict[str, type[msgspec.Struct]]],
        ids: Ids,
        clock: Clock,
    ) -> None:
        """Start no thread yet; ``types`` are the message types of each category."""
        self._store = store
        self._types = types
        self._ids = ids
        self._clock = clock
        self.sender = f"{socket.gethostname()}/{os.getpid()}"
        self._lock = threading.Lock()
        self._queued: deque[_SentCommand] = deque()  # not submitted yet
        self._waiting: dict[str, list[_SentCommand]] = {}  # for an answer, by message id
        self._watcher: InboxWatcher | None = None
        self._thread: threading.Thread | None = None
        self._closed = False
        self._ended = threading.Event()

    # -- for any thread

    def ask(
        self,
        stream: str,
        message: Any,
        timeout: float,
        message_id: str | None = None,
        context: Context | None = None,
    ) -> PooledFuture[Any]:
        """Send ``message`` to the owner of ``stream``; return a future of the answer.

        Args:
            stream: Stream of the actor.
            message: A storable value, or one of the message types of the actor's decider.
            timeout: Seconds; a command that has not begun by then is not handled.
            message_id: For 7 days the same id with the same message is the same command.
            context: Recorded in the events that the message causes; the first submission's counts.
        """
        types = self._types.get(stream.partition("-")[0], {})
        encode = partial(encode_message, stream, message, types)
        return self._send(stream, encode, types, timeout, message_id, context)

    def tell(
        self,
        stream: str,
        message: Any,
        timeout: float,
        message_id: str | None = None,
        context: Context | None = None,
    ) -> PooledFuture[Any]:
        """Submit a message; the future completes once the message is durable.

        ``timeout`` limits the submission, not the handling.
        """
        types = self._types.get(stream.partition("-")[0], {})
        encode = partial(encode_message, stream, message, types)
        return self._send(stream, encode, types, timeout, message_id, context, wants_answer=False)

    def command(self, kind: str, value: Any, timeout: float) -> PooledFuture[Any]:
        """Send a command for a process, the owner of the shard of ``service-KIND``."""

        def encode() -> tuple[str, bytes]:
            body = encode_value(value)
            check_size(body)
            return SERVICE + kind, body

        return self._send(f"service-{kind}", encode, {}, timeout, None)

    def _send(
        self,
        stream: str,
        encode: Callable[[], tuple[str, bytes]],
        types: MessageTypes,
        timeout: float,
        message_id: str | None,
        context: Context | None = None,
        *,
        wants_answer: bool = True,
    ) -> PooledFuture[Any]:
        future = RemoteFuture()
        try:
            if message_id is not None and message_id.startswith(BY_EFFECT):
                raise RefusedError(f"a message_id may not begin with {BY_EFFECT!r}: effects use it")
            kind, body = encode()
            now = self._clock.monotonic()
            command = Command(
                message_id or self._ids.text(),
                self._store.shard_of(stream),
                stream,
                kind,
                body,
                self.sender,
                round(timeout * 1_000_000) if wants_answer else 0,
                b"" if context is None else encode_metadata(context),
            )
            end = now + round(timeout * 1e9)
            self._enqueue(_SentCommand(command, types, timeout, now, end, future, wants_answer))
        except Exception as error:  # noqa: BLE001 - the future gets it
            future.set_exception((type(error), error, error.__traceback__))
        return future

    def close(self) -> None:
        """Submit the queued commands, and fail the futures that still wait for an answer."""
        with self._lock:
            self._closed = True
            self._ended.set()
            thread, watcher = self._thread, self._watcher
        refusals.forget(self._begin)
        if watcher is None:
            return
        watcher.wake()
        if thread is not None:
            thread.join()
        else:  # the host gave no thread: the calling thread submits the queued commands
            self._run(watcher)

    def _enqueue(self, sent_command: _SentCommand) -> None:
        with self._lock:
            if self._closed:
                raise SystemClosedError("a command for another process", "the system was closed")
            if self._watcher is None:
                self._watcher = self._store.inbox.watch()
            self._queued.append(sent_command)
            self._watcher.wake()
        if self._thread is None:
            self._begin()

    def _begin(self) -> None:
        with self._lock:
            if self._queued and self._thread is None and not self._closed:
                thread = threading.Thread(
                    target=self._run,
                    args=[self._watcher],
                    name="indelible-inbox-client",
                    daemon=True,
                )
                if refusals.start(thread, self._begin):
                    self._thread = thread

    # -- the inbox client's thread

    def _run(self, watcher: InboxWatcher) -> None:
        Loop("indelible-inbox-client").run(partial(self._serve, watcher), self._ended.wait)
        watcher.close()
        self._fail_all(SystemClosedError("the answer of another process", "the system was closed"))

    def _serve(self, watcher: InboxWatcher) -> bool:
        """Submit commands and poll for answers, until the client closes."""
        poll = True
        while True:
            failed = True
            try:
                poll |= self._submit()
                if self._waiting and poll:
                    self._collect()
                poll = failed = False
            except StoreUnavailableError as error:
                _log.warning("commands for other processes are delayed: %s", error)
                self._expire(error)
            except Exception as error:  # noqa: BLE001 - the futures get it
                _log.exception("commands for other processes fail")
                self._fail_all(error)
            else:
                self._expire(None)
            if self._closed and (failed or not self._queued):
                return False
            poll |= watcher.wait(self._pause())

    def _pause(self) -> float | None:
        """Seconds until the next poll; ``None`` while no command waits.

        The longer the newest command has waited, the longer the pause.
        """
        if self._queued:
            return _MAX_PAUSE
        if not self._waiting:
            return None
        now = self._clock.monotonic()
        newest = next(reversed(self._waiting.values()))[0].sent_at
        return max(_MIN_PAUSE, min((now - newest) / 1e9 / _PAUSE_DIVISOR, _MAX_PAUSE))

    def _submit(self) -> bool:
        """Submit the queued commands in one transaction; return whether there were any.

        If the database fails, the commands stay queued: submitting the same ids twice is safe.
        """
        sent_commands = list(self._queued)
        if not sent_commands:
            return False
        try:
            taken = self._store.inbox.submit(
                [sent_command.command for sent_command in sent_commands]
            )
        except StoreUnavailableError:
            raise
        except IndelibleError as error:
            self._drop(sent_commands, error)
            return False
        for sent_command in sent_commands:
            self._queued.popleft()
            message_id = sent_command.command.message_id
            if message_id in taken:
                _fail(sent_command, MessageExistsError(message_id))
            elif not sent_command.wants_answer:
                _succeed(sent_command, None)
            else:
                self._waiting.setdefault(message_id, []).append(sent_command)
        return True

    def _collect(self) -> None:
        answers = self._store.inbox.answers(list(self._waiting))
        queries = []
        for message_id, data in answers.items():
            for sent_command in self._waiting.pop(message_id):
                _conclude(sent_command, data)
                if sent_command.command.kind == Describe.kind:
                    queries.append(message_id)
        if queries:
            self._store.inbox.discard(queries)

    def _expire(self, why: IndelibleError | None) -> None:
        """Fail the futures whose time-out has passed."""
        now = self._clock.monotonic()
        late = [
            sent_command
            for sent_commands in self._waiting.values()
            for sent_command in sent_commands
            if sent_command.give_up_at <= now
        ]
        for sent_command in late:
            message_id = sent_command.command.message_id
            self._waiting[message_id].remove(sent_command)
            if not self._waiting[message_id]:  # else it was sent again, with a longer time-out
                del self._waiting[message_id]
            _fail(sent_command, self._no_answer(sent_command))
        unsent = [
            sent_command for sent_command in list(self._queued) if sent_command.give_up_at <= now
        ]
        for sent_command in unsent:
            self._queued.remove(sent_command)
            _fail(
                sent_command,
                why or AskTimeoutError(sent_command.command.stream, sent_command.timeout),
            )

    def _no_answer(self, sent_command: _SentCommand) -> IndelibleError:
        stream, timeout = sent_command.command.stream, sent_command.timeout
        try:
            if not self._store.owners():
                return NobodyAnswersError(stream, timeout, self._store.url)
        except IndelibleError:
            pass  # the owners are not known
        return AskTimeoutError(stream, timeout)

    def _fail_all(self, error: Exception) -> None:
        with self._lock:
            sent_commands = [*self._queued, *(e for es in self._waiting.values() for e in es)]
            self._queued.clear()
            self._waiting.clear()
        for sent_command in sent_commands:
            _fail(sent_command, error)

    def _drop(self, sent_commands: Sequence[_SentCommand], error: Exception) -> None:
        for sent_command in sent_commands:
            self._queued.popleft()
            _fail(sent_command, error)


def _conclude(sent_command: _SentCommand, data: bytes) -> None:
    try:
        reply = decode_answer(data, sent_command.types)
    except IndelibleError as error:
        reply = error
    if isinstance(reply, BaseException):
        _fail(sent_command, reply)
    else:
        _succeed(sent_command, reply)


def _succeed(sent_command: _SentCommand, reply: Any) -> None:
    sent_command.future.set(reply)


def _fail(sent_command: _SentCommand, error: BaseException) -> None:
    sent_command.future.set_exception((type(error), error, None))
