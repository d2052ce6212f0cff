"""The readers of one open system's log: subscriptions, consumers, and consumers' threads."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Awaitable, Callable, Collection
from typing import Any

from indelible.assembly.thread_runtime import Runtime
from indelible.clock import Clock
from indelible.errors import SystemClosedError, UnknownFilterError
from indelible.events.lease.role_holder import RoleHolder
from indelible.events.model.event_types import EventTypes
from indelible.events.store import EventStore
from indelible.events.subscribe.batches import Selection
from indelible.events.subscribe.consumers import Consumer
from indelible.events.subscribe.log_followers import CallOffLoop, LogFollowers
from indelible.events.subscribe.subscription import After, Subscription
from indelible.ids import Ids
from indelible.readers.consumer_thread import ConsumerTask, Handler

logger = logging.getLogger("indelible.consumers")


class LogReaders:
    """Creates the readers of an open store and ends them before it closes; for any thread."""

    def __init__(
        self,
        store: EventStore,
        types: EventTypes,
        categories: Collection[str],
        clock: Clock,
        ids: Ids,
        runtime: Runtime,
        off_loop: CallOffLoop,
    ) -> None:
        """Do no I/O and start no thread; ``off_loop`` runs blocking calls of the async twins."""
        self._types = types
        self._categories = categories
        self._clock = clock
        self._ids = ids
        self._loop = runtime.loop
        self._followers = LogFollowers(store, runtime.check_may_block, off_loop)
        self._lock = threading.Lock()
        self._roles: RoleHolder | None = None
        self._tasks: list[ConsumerTask] = []
        self._closed = False
        self._warned: set[str] = set()

    def subscription(
        self, after: After, selection: Selection, *, live: bool, max_batch: int, max_bytes: int
    ) -> Subscription:
        """See :meth:`indelible.ActorSystem.events`."""
        unknown = self._unknown_filter(selection)
        if after is not None:  # only a reader from the beginning sees what the log lacks
            self._warn_of(unknown)
            unknown = None
        return Subscription(
            self._followers,
            self._types,
            after=after,
            selection=selection,
            live=live,
            max_batch=max_batch,
            max_bytes=max_bytes,
            misspelling=unknown,
        )

    def consumer(
        self, name: str, after: After, selection: Selection, *, max_batch: int, max_bytes: int
    ) -> Consumer:
        """See :meth:`indelible.ActorSystem.consumer`."""
        self._warn_of(self._unknown_filter(selection))
        return Consumer(
            self._followers,
            self._types,
            self._role_holder(),
            name,
            after=after,
            selection=selection,
            max_batch=max_batch,
            max_bytes=max_bytes,
        )

    def consume(self, consumer: Consumer, handler: Handler, max_attempts: int) -> ConsumerTask:
        """Run ``consumer`` on its own thread until it ends.

        A failed task of the same name is not listed any more.

        Raises:
            SystemClosedError: The system is closing; nothing was started.
        """
        with self._lock:
            if self._closed:
                raise SystemClosedError("consume()")
            task = ConsumerTask(consumer, handler, self._run_async, max_attempts)
            self._tasks = [
                one
                for one in self._tasks
                if one.state != "stopped" and (one.state, one.name) != ("failed", task.name)
            ]
            self._tasks.append(task)
            return task

    def tasks(self) -> list[ConsumerTask]:
        """The running and the failed consumer tasks."""
        with self._lock:
            return [one for one in self._tasks if one.state != "stopped"]

    def stop_consumers(self, timeout: float) -> None:
        """Start no more consumer tasks, and wait ``timeout`` seconds for the running handlers."""
        with self._lock:
            self._closed = True
            tasks = list(self._tasks)
        deadline = time.monotonic() + timeout
        for task in tasks:
            task.stop(0)
        for task in tasks:
            if not task.stop(max(0.0, deadline - time.monotonic())):
                logger.warning("the handler of consumer %s has not returned", task.name)

    def close(self) -> None:
        """End all iterations and release the consumers' names, while the store is still open."""
        self.stop_consumers(0.0)
        self._followers.close()
        roles = self._roles
        if roles is not None:
            roles.close()

    def _unknown_filter(self, selection: Selection) -> UnknownFilterError | None:
        known = [cls.wire_name for cls in self._types.classes()]
        return selection.misspelling(self._categories, known)

    def _warn_of(self, unknown: UnknownFilterError | None) -> None:
        """Warn once about a filter that may match no event; another program may write some."""
        if unknown is not None and str(unknown) not in self._warned:
            self._warned.add(str(unknown))
            logger.warning("%s; a reader waits for it, in case another program writes it", unknown)

    def _role_holder(self) -> RoleHolder:
        with self._lock:
            if self._roles is None:
                self._roles = RoleHolder(self._followers.store, self._ids.text(), self._clock)
            return self._roles

    def _run_async(self, function: Callable[[], Awaitable[Any]]) -> None:
        done = threading.Event()
        failures: list[BaseException] = []

        def on_done(_: Any, error: BaseException | None) -> None:
            if error is not None:
                failures.append(error)
            done.set()

        self._loop.enqueue(function, on_done)
        self._loop.kick()
        done.wait()
        for failure in failures:
            raise failure
