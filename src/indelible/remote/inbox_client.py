"""Sends commands to other processes and waits for their answers, for all threads of this one.

What many threads ask at once is one transaction, and one query finds all the answers.
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
from indelible.threads import wanted

_log = logging.getLogger("indelible.inbox")

_SLOWEST = 0.1
"""Seconds between looks for an answer that takes long."""

_FIRST = 0.002
"""Seconds until the first look: a commit and a bit, on a quiet machine."""

_SHARE = 8  # of the time waited so far that the next pause may take


class _SentCommand(msgspec.Struct, gc=False, eq=False):
    """One command on its way."""

    command: Command
    types: MessageTypes
    timeout: float
    sent_at: int  # monotonic, when it was asked
    give_up_at: int
    future: PooledFuture[Any]
    wants_answer: bool


class InboxClient:
    """The asking side of the inbox, on a thread that exists while there is something to ask."""

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
        self._asked: deque[_SentCommand] = deque()  # not submitted yet
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
        """Ask the owner of ``stream``; the future gets the answer within ``timeout`` seconds.

        Args:
            stream: Whose actor is asked.
            message: A storable value, or one of the message types of its decider.
            timeout: After it the command is not handled any more, if it has not begun.
            message_id: The same id with the same message is the same command, for 7 days.
            context: Goes with it to the events that it causes; that of its first submission does.
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
        """Submit a message without an end; the future is done once it is durable."""
        types = self._types.get(stream.partition("-")[0], {})
        encode = partial(encode_message, stream, message, types)
        return self._send(stream, encode, types, timeout, message_id, context, wants_answer=False)

    def command(self, kind: str, value: Any, timeout: float) -> PooledFuture[Any]:
        """Ask a service, the process that owns shard 0 or the shard of the kind, for ``kind``."""

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
                raise RefusedError(f"a message_id that begins with {BY_EFFECT!r} is an effect's")
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
        except Exception as error:  # noqa: BLE001 - the asker gets it
            future.set_exception((type(error), error, error.__traceback__))
        return future

    def close(self) -> None:
        """Submit what was asked, and tell those who wait that nobody listens any more."""
        with self._lock:
            self._closed = True
            self._ended.set()
            thread, watcher = self._thread, self._watcher
        wanted.forget(self._begin)
        if watcher is None:
            return
        watcher.wake()
        if thread is not None:
            thread.join()
        else:  # no thread could be had: this one submits what was asked
            self._run(watcher)

    def _enqueue(self, sent_command: _SentCommand) -> None:
        with self._lock:
            if self._closed:
                raise SystemClosedError("a command for another process", "the system was closed")
            if self._watcher is None:
                self._watcher = self._store.inbox.watch()
            self._asked.append(sent_command)
            self._watcher.wake()
        if self._thread is None:
            self._begin()

    def _begin(self) -> None:
        with self._lock:
            if self._asked and self._thread is None and not self._closed:
                thread = threading.Thread(
                    target=self._run, args=[self._watcher], name="indelible-courier", daemon=True
                )
                if wanted.start(thread, self._begin):
                    self._thread = thread

    # -- the inbox client's thread

    def _run(self, watcher: InboxWatcher) -> None:
        Loop("indelible-courier").run(partial(self._serve, watcher), self._ended.wait)
        watcher.close()
        self._fail_all(SystemClosedError("the answer of another process", "the system was closed"))

    def _serve(self, watcher: InboxWatcher) -> bool:
        """Submit, and look for answers, until the end."""
        look = True
        while True:
            troubled = True
            try:
                look |= self._submit()
                if self._waiting and look:
                    self._collect()
                look = troubled = False
            except StoreUnavailableError as error:
                _log.warning("commands for other processes are put off: %s", error)
                self._expire(error)
            except Exception as error:  # noqa: BLE001 - those who wait get it
                _log.exception("commands for other processes fail")
                self._fail_all(error)
            else:
                self._expire(None)
            if self._closed and (troubled or not self._asked):
                return False
            look |= watcher.wait(self._pause())

    def _pause(self) -> float | None:
        """Seconds until the next look; ``None`` while nobody waits.

        The longer the newest command is under way, the longer the pause.
        """
        if self._asked:
            return _SLOWEST
        if not self._waiting:
            return None
        now = self._clock.monotonic()
        newest = next(reversed(self._waiting.values()))[0].sent_at
        return max(_FIRST, min((now - newest) / 1e9 / _SHARE, _SLOWEST))

    def _submit(self) -> bool:
        """Make durable what was asked since the last time; whether there was anything.

        What fails because of the database stays queued: the same ids again do no harm.
        """
        sent_commands = list(self._asked)
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
            self._asked.popleft()
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
        """Give up what nobody has answered in time."""
        now = self._clock.monotonic()
        late = [
            e
            for sent_commands in self._waiting.values()
            for e in sent_commands
            if e.give_up_at <= now
        ]
        for sent_command in late:
            self._waiting.pop(sent_command.command.message_id, None)
            _fail(sent_command, self._no_answer(sent_command))
        unsent = [
            sent_command for sent_command in list(self._asked) if sent_command.give_up_at <= now
        ]
        for sent_command in unsent:
            self._asked.remove(sent_command)
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
            pass  # nobody knows
        return AskTimeoutError(stream, timeout)

    def _fail_all(self, error: Exception) -> None:
        with self._lock:
            sent_commands = [*self._asked, *(e for es in self._waiting.values() for e in es)]
            self._asked.clear()
            self._waiting.clear()
        for sent_command in sent_commands:
            _fail(sent_command, error)

    def _drop(self, sent_commands: Sequence[_SentCommand], error: Exception) -> None:
        for sent_command in sent_commands:
            self._asked.popleft()
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
