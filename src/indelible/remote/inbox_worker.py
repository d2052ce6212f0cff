"""Takes commands from the inbox and delivers them to the actors of this process.

Each command is answered once.  Its answer is part of the append that it causes, or is written in a
transaction of its own.  A command that cannot be handled now (the database fails, the shard is
lost, the mailbox is full) stays in the inbox and is delivered again, here or by the next owner.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from indelible.actors.durable.commit.stored_answers import StoredAnswer
from indelible.actors.durable.directory import Directory
from indelible.actors.workflow.run_messages import AcceptRun
from indelible.clock import Clock
from indelible.errors import (
    ActorStoppedError,
    AskTimeoutError,
    IndelibleError,
    MailboxFullError,
    PipelineBrokenError,
    StaleEpochError,
    StoreCorruptError,
    StoreUnavailableError,
    SystemClosedError,
    WrongExpectedVersionError,
)
from indelible.errors.error_text import message_of
from indelible.events.concurrency.task_thread import TaskThread
from indelible.events.inbox.inbox import Command, Inbox, InboxWatcher, Submitted
from indelible.events.store import EventStore
from indelible.failpoints import Failpoints
from indelible.loops import Loop
from indelible.remote.answer_codec import encode_error
from indelible.remote.command_reader import CommandReader
from indelible.remote.direct_handover import DirectHandover
from indelible.remote.process_commands import ProcessCommands, TaskRunner
from indelible.remote.remote_messages import SERVICE, is_tell
from indelible.threads import start_now

_log = logging.getLogger("indelible.inbox")

MAX_IN_FLIGHT = 1_000
"""Limit of commands delivered and not answered: as many as a group commit takes."""

RETRY_NS = 100_000_000
"""Nanoseconds until a command that could not be handled is delivered again."""

_BUSY_NS = 1_000_000_000
"""Nanoseconds after a command during which the worker polls more often."""

_FORGET_INTERVAL = 600_000_000_000  # nanoseconds
_FORGET_ROWS = 500  # rows of one delete: it holds the writer for a few milliseconds

_NOT_HANDLED = (
    ActorStoppedError,
    MailboxFullError,
    PipelineBrokenError,
    StaleEpochError,
    StoreUnavailableError,
    SystemClosedError,
    WrongExpectedVersionError,
)
"""Errors after which the command has not been handled, and is delivered again."""

Key = int | str
"""Key of a command in flight: the number of its row; the message id if delivered directly."""


class InboxWorker:
    """The receiving side of the inbox, on its own thread; any thread may stop it."""

    def __init__(
        self,
        store: EventStore,
        directory: Directory,
        command_reader: CommandReader,
        services: ProcessCommands,
        clock: Clock,
        dead_letter: Callable[[str, Any, str], None],
        failpoints: Failpoints,
    ) -> None:
        """Start no thread yet; ``dead_letter`` gets failed messages of Tells, with reasons."""
        self._dead_letter = dead_letter
        self._failpoints = failpoints
        self._store = store
        self._directory = directory
        self._command_reader = command_reader
        self._services = services
        self._clock = clock
        self._stopping = False
        self._begun = threading.Event()
        self._ended = threading.Event()
        self._loop = Loop("indelible-inbox")
        self._wake: Callable[[], None] = _nothing
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._in_flight: set[int] = set()  # sequence numbers
        self._direct = DirectHandover()
        self._retries: dict[int, int] = {}  # sequence number to the time of its retry (monotonic)
        self._answered: deque[tuple[Key, str, Callable[[], bytes | None]]] = deque()
        self._task_thread: TaskRunner = TaskThread("indelible-answers")
        self._forget_at = 0

    # -- start and stop

    def start(self) -> None:
        """Start the thread, which waits for :meth:`begin`.

        Raises:
            ThreadUnavailableError: The host gives no thread.
        """
        thread = threading.Thread(target=self._run, name="indelible-inbox", daemon=True)
        start_now(thread)
        self._thread = thread

    def begin(self) -> None:
        """Begin to poll: the actors of this process can handle commands."""
        self._begun.set()

    def stop(self, timeout: float | None = None) -> None:
        """Deliver no more commands; those in flight continue.  May be called twice.

        Waits for a poll that is running, at most ``timeout`` seconds.
        """
        self._stopping = True
        self._ended.set()
        self._begun.set()
        self._wake()
        thread = self._thread
        if thread is not None:
            thread.join(timeout)

    def finish(self) -> None:
        """Write the remaining answers and stop the threads, after the actors' threads."""
        self.stop()
        self._services.stop()
        self._task_thread.stop()

    def _run(self) -> None:
        self._begun.wait()
        self._loop.run(self._follow, self._ended.wait)

    def _follow(self) -> bool:
        if self._stopping:
            return False
        watcher = self._store.inbox.watch(for_commands=True)
        self._wake = watcher.wake
        unsubscribe = self._store.on_ownership(lambda _gained, _lost: watcher.wake())
        try:
            self._poll_until_stopped(watcher)
        finally:
            unsubscribe()
            watcher.close()
        return False

    def _poll_until_stopped(self, watcher: InboxWatcher) -> None:
        """Poll after each change, and at intervals."""
        busy_until, failed, more = 0, False, False
        watcher.wake()  # for the commands that are there already
        while not self._stopping:
            now = self._clock.monotonic()
            pause = watcher.busy if now < busy_until else watcher.idle
            if self._retries:
                pause = min(pause, RETRY_NS / 1e9)
            changed = watcher.wait(0.0 if more else pause)
            try:
                if changed or more or self._is_retry_due():
                    count = self.poll()
                    more = count >= MAX_IN_FLIGHT // 2
                    if count:
                        busy_until = self._clock.monotonic() + _BUSY_NS
                self._clean_up()
                self._loop.succeeded()
                failed = False
            except Exception as error:  # noqa: BLE001 - the next poll may succeed
                if not failed:
                    _log.warning("the inbox cannot be read: %s", error)
                failed, more = True, False
                watcher.wait(RETRY_NS / 1e9)
                watcher.wake()

    # -- delivering commands

    def poll(self) -> int:
        """Deliver the waiting commands and return their number.

        Raises:
            StoreUnavailableError: The inbox cannot be read now.
        """
        if len(self._in_flight) >= MAX_IN_FLIGHT:
            return 0  # each answer is a change, which causes a poll
        inbox, owned = self._store.inbox, self._store.owned() | self._store.set_aside().keys()
        if not owned:
            return 0
        with self._direct.polling():
            return self._deliver_waiting(inbox, owned)

    def _deliver_waiting(self, inbox: Inbox, owned: frozenset[int]) -> int:
        if not self._in_flight and not self._retries:  # the common case: one query is enough
            commands = self._direct.unclaimed(inbox.first(owned, MAX_IN_FLIGHT))
            with self._lock:
                self._in_flight.update(submitted.seq for submitted in commands)
            for submitted in commands:
                self._deliver_row(submitted)
            return len(commands)
        return self._deliver_fresh(inbox, owned)

    def _deliver_fresh(self, inbox: Inbox, owned: frozenset[int]) -> int:
        """Deliver the commands that are not in flight, without reading the others again."""
        limit = MAX_IN_FLIGHT + min(len(self._retries), MAX_IN_FLIGHT)
        waiting = inbox.waiting(owned, limit)
        now = self._clock.monotonic()
        with self._lock:
            fresh = [seq for seq in waiting if self._is_fresh(seq, now)]
            # A due retry is delivered now, or its row is gone: answered, or another owner has it.
            self._retries = {seq: due for seq, due in self._retries.items() if due > now}
            self._in_flight.update(fresh)
        try:
            taken = self._direct.unclaimed(inbox.take(fresh)) if fresh else ()
        except BaseException:
            self._release(fresh)
            raise
        found = {submitted.seq for submitted in taken}
        self._release([seq for seq in fresh if seq not in found])  # answered meanwhile
        for submitted in taken:
            self._deliver_row(submitted)
        return len(taken)

    def _is_fresh(self, seq: int, now: int) -> bool:
        return seq not in self._in_flight and self._retries.get(seq, 0) <= now

    def _is_retry_due(self) -> bool:
        """Whether a command is to be delivered again now."""
        if not self._retries:
            return False
        with self._lock:
            return min(self._retries.values(), default=0) <= self._clock.monotonic()

    def _deliver_row(self, submitted: Submitted) -> None:
        seq, command = submitted.seq, submitted.command
        stream = command.stream
        damage = submitted.damage
        if not damage and command.shard != self._store.shard_of(stream):
            damage = f"its shard is {command.shard}, and {stream!r} is of another"
        if damage:
            _log.error("command %d of the inbox is set aside: %s", seq, damage)
            self._task_thread.run(partial(self._set_aside, seq, damage))
        elif submitted.late:
            late = AskTimeoutError(stream, command.timeout / 1_000_000)
            self._refuse(seq, command, late)
        else:
            self._deliver(seq, command)

    def _deliver(self, key: Key, command: Command) -> None:
        stream = command.stream
        damage = self._store.set_aside().get(command.shard)
        if damage is not None:
            self._refuse(key, command, damage)
            return
        if command.kind.startswith(SERVICE):
            self._services.run(command, partial(self._on_process_reply, key, command))
            return
        try:
            message, encode = self._command_reader.read(command)
            context = self._command_reader.context(command)
        except Exception as error:  # noqa: BLE001 - it is the answer
            if not isinstance(error, IndelibleError):
                _log.exception("command %s for %s cannot be read", command.kind, stream)
            self._refuse(key, command, error)
            return
        awaited = command.timeout > 0 and not is_tell(command)
        future = StoredAnswer(command.message_id, encode, awaited=awaited)
        future.add_done_callback(partial(self._on_reply, key, command, message))
        new = command.kind == AcceptRun.kind
        self._directory.ask_here(stream, message, future, context=context, presume_new=new)

    # -- direct delivery: messages between two actors of this process

    def sending(self, commands: Sequence[Command]) -> None:
        """Claim ``commands``, whose rows are about to be committed."""
        self._direct.claim(command.message_id for command in commands)

    def sent(self, commands: Sequence[Command]) -> None:
        """Deliver ``commands``, whose rows are committed, to the actors of this process."""
        for command in commands:
            if self._stopping or not self._directory.owns(command.stream):
                self._direct.release((command.message_id,))
            else:
                if self._failpoints.armed:
                    self._failpoints.hit("tell.before")
                self._deliver(command.message_id, command)

    def not_sent(self, commands: Sequence[Command]) -> None:
        """Release the claims: there are no rows, or a poll finds them."""
        self._direct.release(command.message_id for command in commands)
        self._wake()  # no other change causes a poll for a row of an unknown commit

    # -- answering: on the thread that completes the future, mostly the leader's

    def _on_reply(self, key: Key, command: Command, message: Any, future: Any) -> None:
        try:
            reply = future.get(timeout=0)
        except _NOT_HANDLED:
            self._postpone([key])
            return
        except BaseException as error:  # noqa: BLE001 - it is the answer
            reply = error
        if isinstance(reply, BaseException):
            self._dead_letter_if_tell(command, message, reply)
        if future.stored:
            self._release([key])
        else:
            self._answer(key, command, partial(future.encode, reply))

    def _on_process_reply(
        self, key: Key, command: Command, answer: bytes | None, pause: float
    ) -> None:
        if answer is None:
            self._postpone([key], max(RETRY_NS, round(pause * 1e9)))
        else:
            self._answer(key, command, lambda: answer)

    def _refuse(self, key: Key, command: Command, error: BaseException) -> None:
        self._dead_letter_if_tell(command, command.body, error)
        self._answer(key, command, partial(encode_error, command.stream, error))

    def _dead_letter_if_tell(self, command: Command, message: Any, why: BaseException) -> None:
        """Make a failed message of a Tell a dead letter: no caller waits for its answer."""
        if is_tell(command):
            self._dead_letter(command.stream, message, message_of(why))

    def _answer(self, key: Key, command: Command, encode: Callable[[], bytes | None]) -> None:
        self._answered.append((key, command.message_id, encode))
        self._task_thread.run(self._write_answers)

    def _write_answers(self) -> None:
        """Write all answers that are ready, in one transaction."""
        ready = [self._answered.popleft() for _ in range(len(self._answered))]
        if not ready:
            return
        try:
            self._store.inbox.answer([(one, encode()) for _, one, encode in ready])
        except IndelibleError as error:
            _log.warning("%d answers are delayed: %s", len(ready), error)
            self._postpone([key for key, _, _ in ready])
        else:
            self._release([key for key, _, _ in ready])

    def _set_aside(self, seq: int, damage: str) -> None:
        """Set aside a row that cannot be read, so that it is not polled again and again."""
        error = StoreCorruptError(self._store.url, f"command {seq} of the inbox: {damage}")
        try:
            self._store.inbox.set_aside(seq, encode_error("the inbox", error))
        except IndelibleError as failure:
            _log.warning("a damaged command stays in the inbox for now: %s", failure)
            self._postpone([seq])
        else:
            self._release([seq])

    def _postpone(self, keys: Sequence[Key], pause: int = RETRY_NS) -> None:
        """Leave commands, which have not been handled, in the inbox for ``pause`` ns."""
        due = self._clock.monotonic() + pause
        with self._lock:
            self._retries.update((key, due) for key in keys if isinstance(key, int))
        self._release(keys)
        self._wake()  # so that the worker computes its pause again

    def _release(self, keys: Sequence[Key]) -> None:
        with self._lock:
            self._in_flight.difference_update(keys)
        self._direct.release(keys)

    def _clean_up(self) -> None:
        """Set aside stray rows, answer abandoned ones, and delete those answered long ago."""
        now = self._clock.monotonic()
        if now >= self._forget_at and (owned := self._store.owned()):
            inbox = self._store.inbox
            for submitted in inbox.astray(self._store.shards, _FORGET_ROWS):
                self._deliver_row(submitted)
            for submitted in inbox.abandoned(owned, _FORGET_ROWS):
                self._deliver_row(submitted)
            forgotten = inbox.forget(_FORGET_ROWS)
            self._forget_at = now + (0 if forgotten == _FORGET_ROWS else _FORGET_INTERVAL)


def _nothing() -> None:
    """Do nothing: there is no thread to wake."""
