"""Reading the log of a system as it grows: subscriptions and durable consumers."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from indelible.api.facade import Facade
from indelible.errors import StoreReadOnlyError
from indelible.events.model.event import Event
from indelible.events.subscribe.batches import Selection
from indelible.events.subscribe.shard_pages import MAX_BATCH, MAX_BYTES
from indelible.events.subscribe.subscription import After, Subscription
from indelible.readers.consumer_thread import MAX_ATTEMPTS, ConsumerTask, Handler

if TYPE_CHECKING:
    from indelible.events.subscribe.consumers import Consumer


class Subscriptions(Facade):
    """Batches of committed events, for one reader or for a durable name; any thread may ask.

    Order is kept within a shard, so within every stream.  No event is left out: positions of a
    shard come one by one.  Whoever wants an event is given it at least once.
    """

    def events(
        self,
        after: After = None,
        *,
        types: Collection[type[Event] | str] | None = None,
        category: str | None = None,
        streams: Collection[str] | None = None,
        correlation_id: str | None = None,
        live: bool = True,
        max_batch: int = MAX_BATCH,
        max_bytes: int = MAX_BYTES,
    ) -> Subscription:
        """Committed events as batches, for ``for`` or ``async for``, until the system closes.

        Nothing is read before it is asked for, so a slow reader holds up nobody.  While the
        database is away a live reader waits for it.

        Args:
            after: The cursor to go on from, of a batch or of a delivery; the beginning of the log
                by default, ``"end"`` for what is committed from now on.
            types: Event classes or wire names; all by default.
            category: Only streams of this category, such as ``run``.
            streams: Only these streams.
            correlation_id: Only what belongs to this request, wherever it is.
            live: Wait for more at the end of the log, instead of ending there.
            max_batch: Events of a batch.
            max_bytes: Bytes of their payloads and metadata; one event may be larger.

        Raises:
            ValueError: ``after`` is no cursor, or a bound is below 1.
            CursorAheadError: While reading: the log ends before the cursor.
            EventGapError: While reading: an event that must be there cannot be read.
            UnknownFilterError: While reading from the beginning: the log has nothing of the
                category or type, and the system was given one with nearly that name.  With
                ``after``, and for consumers, that is a warning on ``indelible.consumers``.
        """
        return self._access.parts.readers.subscription(
            after,
            Selection(types, category, streams, correlation_id),
            live=live,
            max_batch=max_batch,
            max_bytes=max_bytes,
        )

    def consumer(
        self,
        name: str,
        *,
        after: After = None,
        types: Collection[type[Event] | str] | None = None,
        category: str | None = None,
        streams: Collection[str] | None = None,
        max_batch: int = MAX_BATCH,
        max_bytes: int = MAX_BYTES,
    ) -> Consumer:
        """The consumer ``name``: batches behind the position that it has committed last.

        The position is stored under the name when :meth:`Consumer.commit` is called.  One
        consumer of a name is given batches at a time, over all processes; another waits, and
        goes on when that one is closed or dies (on PostgreSQL: within its lease of 10 seconds).

        Args:
            name: 1 to 255 printable characters.
            after: Where a name begins that was never seen; as for :meth:`events`.
            types: As for :meth:`events`, like what follows.
            category: As above.
            streams: As above.
            max_batch: As above.
            max_bytes: As above.

        Raises:
            ValueError: No such name, no such cursor, or a bound below 1.
            StoreReadOnlyError: The system only reads, and so cannot store a position.  A client
                can on PostgreSQL; on SQLite only the owner can, and a client is told at its
                first batch.
            RoleLostError: While reading, when this process was held up for longer than its
                lease; reading on waits for the name again.
        """
        readers = self._access.parts.readers
        if self._access.mode == "read":
            raise StoreReadOnlyError(
                self.url,
                f"consumer {name!r} stores its position there, and the system was opened with "
                'mode="read"; follow events(after=cursor) and keep the cursor yourself',
            )
        return readers.consumer(
            name,
            after,
            Selection(types, category, streams),
            max_batch=max_batch,
            max_bytes=max_bytes,
        )

    def consume(
        self,
        name: str,
        handler: Handler,
        *,
        after: After = None,
        types: Collection[type[Event] | str] | None = None,
        category: str | None = None,
        streams: Collection[str] | None = None,
        max_batch: int = MAX_BATCH,
        max_bytes: int = MAX_BYTES,
        max_attempts: int = MAX_ATTEMPTS,
    ) -> ConsumerTask:
        """Run the consumer ``name`` on a thread of its own: ``handler`` gets every batch.

        What ``handler`` has returned from is committed; after a crash, or a failure, a batch is
        delivered again.  It may be async, and then runs on the system's event loop.

        Args:
            name: As for :meth:`consumer`, like all that is not named here.
            handler: Called with a batch.  When it raises it is called again with the same one,
                after 0.1 to 30 seconds.
            after: As above.
            types: As above.
            category: As above.
            streams: As above.
            max_batch: As above.
            max_bytes: As above.
            max_attempts: Failed calls with one batch after which the consumer stops, with
                ``state`` ``"failed"`` and the error; it skips nothing.

        Raises:
            As :meth:`consumer` does.
        """
        consumer = self.consumer(
            name,
            after=after,
            types=types,
            category=category,
            streams=streams,
            max_batch=max_batch,
            max_bytes=max_bytes,
        )
        return self._access.parts.readers.consume(consumer, handler, max_attempts)

    @property
    def consumers(self) -> list[ConsumerTask]:
        """What :meth:`consume` has started here and is not stopped; failed ones too.

        One that failed is listed until its name is consumed again.
        """
        return self._access.parts.readers.tasks()
