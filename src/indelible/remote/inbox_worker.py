"""Takes commands out of the inbox and hands them to the actors of this process.

A command is answered once, whatever happens: its answer is part of the append that it causes, or is
written by itself after that.  What cannot be decided now (the database fails, the shard leaves, the
mailbox is full) stays in the inbox, and is handed over again, here or by the next owner.
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
from indelible.errors.texts import message_of
from indelible.events.concurrency.task_thread import TaskThread
from indelible.events.inbox.inbox import Command, Inbox, InboxWatcher, Submitted
from indelible.events.store import EventStore
from indelible.failpoints import Failpoints
from indelible.loops import Loop
from indelible.remote.answer_codec import encode_error
from indelible.remote.command_reader import CommandReader
from indelible.remote.direct_handover import DirectHandover
from indelible.remote.process_commands import InOrder, ProcessCommands
from indelible.remote.remote_messages import SERVICE, is_told
from indelible.threads import start_now

_log = logging.getLogger("indelible.inbox")

UNDER_WAY = 1_000
"""Commands handed over and not answered, at most: as many as a group commit takes."""

AGAIN = 100_000_000
"""Nanoseconds until a command that could not be decided is handed over again."""

_ACTIVE = 1_000_000_000
"""Nanoseconds after a command for which the next one is looked for more often."""

_FORGET_EVERY = 600_000_000_000  # nanoseconds
_FORGET = 500  # rows of one delete: a few milliseconds of the writer's turn

_NOT_NOW = (
    ActorStoppedError,
    MailboxFullError,
    PipelineBrokenError,
    StaleEpochError,
    StoreUnavailableError,
    SystemClosedError,
    WrongExpectedVersionError,
)
"""Errors after which the command is as undecided as before."""

Key = int | str
"""Of a command under way: the number of its row, the message id of one that is handed over."""


class InboxWorker:
    """The owner's side of the inbox, on a thread of its own; any thread may stop it."""

    def __init__(
        self,
        store: EventStore,
        directory: Directory,
        reception: CommandReader,
        services: ProcessCommands,
        clock: Clock,
        dead_letter: Callable[[str, Any, str], None],
        failpoints: Failpoints,
    ) -> None:
        """Start no thread yet; ``dead_letter`` gets what was told and not taken, and why."""
        self._dead_letter = dead_letter
        self._failpoints = failpoints
        self._store = store
        self._directory = directory
        self._reception = reception
        self._services = services
        self._clock = clock
        self._stopping = False
        self._begun = threading.Event()
        self._ended = threading.Event()
        self._loop = Loop("indelible-inbox")
        self._wake: Callable[[], None] = _nothing
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._under_way: set[int] = set()  # sequence numbers
        self._by_hand = DirectHandover()
        self._again: dict[int, int] = {}  # those to hand over again, and when (monotonic)
        self._answered: deque[tuple[Key, str, Callable[[], bytes | None]]] = deque()
        self._task_thread: InOrder = TaskThread("indelible-answers")
        self._forget_at = 0

    # -- life

    def start(self) -> None:
        """Start the thread, which waits for :meth:`begin`.

        Raises:
            ThreadUnavailableError: The host gives none.
        """
        thread = threading.Thread(target=self._run, name="indelible-inbox", daemon=True)
        start_now(thread)
        self._thread = thread

    def begin(self) -> None:
        """Begin to look: the actors of this process can take commands."""
        self._begun.set()

    def stop(self, timeout: float | None = None) -> None:
        """Take nothing more; what is under way goes on.  May be called twice.

        Waits for a look that is being taken, at most ``timeout`` seconds.
        """
        self._stopping = True
        self._ended.set()
        self._begun.set()
        self._wake()
        thread = self._thread
        if thread is not None:
            thread.join(timeout)

    def finish(self) -> None:
        """Write the answers that are ready, and stop for good; after the actors' threads."""
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
            self._look_on(watcher)
        finally:
            unsubscribe()
            watcher.close()
        return False

    def _look_on(self, watcher: InboxWatcher) -> None:
        """Look at each change, and now and then, until the end."""
        active_until, troubled, more = 0, False, False
        watcher.wake()  # for what was there before
        while not self._stopping:
            now = self._clock.monotonic()
            pause = watcher.busy if now < active_until else watcher.idle
            if self._again:
                pause = min(pause, AGAIN / 1e9)
            changed = watcher.wait(0.0 if more else pause)
            try:
                if changed or more or self._is_due():
                    came = self.look()
                    more = came >= UNDER_WAY // 2
                    if came:
                        active_until = self._clock.monotonic() + _ACTIVE
                self._tidy()
                self._loop.well()
                troubled = False
            except Exception as error:  # noqa: BLE001 - whatever it is, the next look may succeed
                if not troubled:
                    _log.warning("the inbox cannot be read: %s", error)
                troubled, more = True, False
                watcher.wait(AGAIN / 1e9)
                watcher.wake()

    # -- in

    def look(self) -> int:
        """Hand over what waits; how many commands that were.

        Raises:
            StoreUnavailableError: The inbox cannot be read now.
        """
        if len(self._under_way) >= UNDER_WAY:
            return 0  # each answer is a change, after which it looks again
        inbox, owned = self._store.inbox, self._store.owned() | self._store.set_aside().keys()
        if not owned:
            return 0
        with self._by_hand.looking():
            return self._take(inbox, owned)

    def _take(self, inbox: Inbox, owned: frozenset[int]) -> int:
        if not self._under_way and not self._again:  # as a rule: then one query is enough
            commands = self._by_hand.others(inbox.first(owned, UNDER_WAY))
            with self._lock:
                self._under_way.update(submitted.seq for submitted in commands)
            for submitted in commands:
                self._hand_over(submitted)
            return len(commands)
        return self._look_past_others(inbox, owned)

    def _look_past_others(self, inbox: Inbox, owned: frozenset[int]) -> int:
        """The same while some are under way, without reading these again."""
        limit = UNDER_WAY + min(len(self._again), UNDER_WAY)
        waiting = inbox.waiting(owned, limit)
        now = self._clock.monotonic()
        with self._lock:
            fresh = [seq for seq in waiting if self._is_fresh(seq, now)]
            # What is due goes now, or is not there any more: answered, or with another owner.
            self._again = {seq: due for seq, due in self._again.items() if due > now}
            self._under_way.update(fresh)
        try:
            taken = self._by_hand.others(inbox.take(fresh)) if fresh else ()
        except BaseException:
            self._release(fresh)
            raise
        found = {submitted.seq for submitted in taken}
        self._release([seq for seq in fresh if seq not in found])  # answered in between
        for submitted in taken:
            self._hand_over(submitted)
        return len(taken)

    def _is_fresh(self, seq: int, now: int) -> bool:
        return seq not in self._under_way and self._again.get(seq, 0) <= now

    def _is_due(self) -> bool:
        """Whether a command is to be handed over again."""
        if not self._again:
            return False
        with self._lock:
            return min(self._again.values(), default=0) <= self._clock.monotonic()

    def _hand_over(self, submitted: Submitted) -> None:
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
        aside = self._store.set_aside().get(command.shard)
        if aside is not None:
            self._refuse(key, command, aside)
            return
        if command.kind.startswith(SERVICE):
            self._services.run(command, partial(self._served, key, command))
            return
        try:
            message, encode = self._reception.read(command)
            context = self._reception.context(command)
        except Exception as error:  # noqa: BLE001 - the asker gets it
            if not isinstance(error, IndelibleError):
                _log.exception("command %s for %s cannot be read", command.kind, stream)
            self._refuse(key, command, error)
            return
        awaited = command.timeout > 0 and not is_told(command)
        future = StoredAnswer(command.message_id, encode, awaited=awaited)
        future.add_done_callback(partial(self._decided, key, command, message))
        new = command.kind == AcceptRun.kind
        self._directory.ask_here(stream, message, future, context=context, presume_new=new)

    # -- in, by hand: what an actor of this process tells another one

    def sending(self, commands: Sequence[Command]) -> None:
        """Leave the rows of ``commands`` alone, which are about to be there."""
        self._by_hand.take(command.message_id for command in commands)

    def sent(self, commands: Sequence[Command]) -> None:
        """Hand ``commands`` over, whose rows are there; those for other processes are not ours."""
        for command in commands:
            if self._stopping or not self._directory.owns(command.stream):
                self._by_hand.let_go((command.message_id,))
            else:
                if self._failpoints.armed:
                    self._failpoints.hit("tell.before")
                self._deliver(command.message_id, command)

    def not_sent(self, commands: Sequence[Command]) -> None:
        """Leave the rows alone no more: there are none, or a look finds them."""
        self._by_hand.let_go(command.message_id for command in commands)
        self._wake()  # one that was there while nobody could know is seen by no other look

    # -- out: on whatever thread completes the future, mostly the leader's

    def _decided(self, key: Key, command: Command, message: Any, future: Any) -> None:
        try:
            reply = future.get(timeout=0)
        except _NOT_NOW:
            self._put_off([key])
            return
        except BaseException as error:  # noqa: BLE001 - the asker gets it
            reply = error
        if isinstance(reply, BaseException):
            self._bury_told(command, message, reply)
        if future.stored:
            self._release([key])
        else:
            self._answer(key, command, partial(future.encode, reply))

    def _served(self, key: Key, command: Command, answer: bytes | None, pause: float) -> None:
        if answer is None:
            self._put_off([key], max(AGAIN, round(pause * 1e9)))
        else:
            self._answer(key, command, lambda: answer)

    def _refuse(self, key: Key, command: Command, error: BaseException) -> None:
        self._bury_told(command, command.body, error)
        self._answer(key, command, partial(encode_error, command.stream, error))

    def _bury_told(self, command: Command, message: Any, why: BaseException) -> None:
        """Keep what was told and not taken where people can see it: nobody asks for its answer."""
        if is_told(command):
            self._dead_letter(command.stream, message, message_of(why))

    def _answer(self, key: Key, command: Command, encode: Callable[[], bytes | None]) -> None:
        self._answered.append((key, command.message_id, encode))
        self._task_thread.run(self._write_answers)

    def _write_answers(self) -> None:
        """Write what has come together, in one transaction."""
        ready = [self._answered.popleft() for _ in range(len(self._answered))]
        if not ready:
            return
        try:
            self._store.inbox.answer([(one, encode()) for _, one, encode in ready])
        except IndelibleError as error:
            _log.warning("%d answers are put off: %s", len(ready), error)
            self._put_off([key for key, _, _ in ready])
        else:
            self._release([key for key, _, _ in ready])

    def _set_aside(self, seq: int, damage: str) -> None:
        """Let a row that cannot be read wait no more: it must not be looked at for ever."""
        error = StoreCorruptError(self._store.url, f"command {seq} of the inbox: {damage}")
        try:
            self._store.inbox.set_aside(seq, encode_error("the inbox", error))
        except IndelibleError as failure:
            _log.warning("a damaged command stays in the inbox for now: %s", failure)
            self._put_off([seq])
        else:
            self._release([seq])

    def _put_off(self, keys: Sequence[Key], pause: int = AGAIN) -> None:
        """Let commands wait in the inbox for ``pause`` ns: they are as undecided as before."""
        due = self._clock.monotonic() + pause
        with self._lock:
            self._again.update((key, due) for key in keys if isinstance(key, int))
        self._release(keys)
        self._wake()  # the inbox worker counts its pause anew

    def _release(self, keys: Sequence[Key]) -> None:
        with self._lock:
            self._under_way.difference_update(keys)
        self._by_hand.let_go(keys)

    def _tidy(self) -> None:
        """Set aside what nobody will find, and forget what was answered long ago."""
        now = self._clock.monotonic()
        if now >= self._forget_at and self._store.owned():
            for submitted in self._store.inbox.astray(self._store.shards, _FORGET):
                self._hand_over(submitted)
            forgotten = self._store.inbox.forget(_FORGET)
            self._forget_at = now + (0 if forgotten == _FORGET else _FORGET_EVERY)


def _nothing() -> None:
    """There is no thread to wake."""
