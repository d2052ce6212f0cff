"""Reading the log of a system while it grows: subscriptions and durable consumers."""

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
    """Batches of committed events, for one reader or for a durable name; for any thread.

    Events of one shard, and so of one stream, come in order.  No event is left out: the positions
    of a shard are gapless.  Every selected event is delivered at least once.
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

        A batch is read when the reader asks for it, so a slow reader delays no other work.  While
        the database is unavailable a live reader waits for it.

        Args:
            after: The cursor, of a batch or of a delivery, after which to continue; the beginning
                of the log by default; ``"end"`` for events committed from now on.
            types: Event classes or wire names; all by default.
            category: Only streams of this category, such as ``run``.
            streams: Only these streams.
            correlation_id: Only events of this request, in whichever stream.
            live: Wait for more events at the end of the log, instead of ending there.
            max_batch: Limit of events in a batch.
            max_bytes: Limit of bytes of payloads and metadata in a batch; one event may be larger.

        Raises:
            ValueError: ``after`` is no cursor, or a bound is below 1.
            CursorAheadError: While reading: the log ends before the cursor.
            EventGapError: While reading: an event that must be there cannot be read.
            UnknownFilterError: While reading from the beginning: the log has no event of the
                category or type, and the system knows one with nearly that name.  With ``after``,
                and for consumers, this is a warning on the logger ``indelible.consumers``.
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
        """The consumer ``name``: batches after the position that it has committed last.

        :meth:`Consumer.commit` stores the position under the name.  Of all consumers of one name,
        in all processes, one at a time gets batches.  Another waits, and takes over when that one
        is closed or dies (on PostgreSQL: within its lease of 10 seconds).

        Args:
            name: 1 to 255 printable characters.
            after: Where a new name begins; as for :meth:`events`.
            types: As for :meth:`events`.
            category: As for :meth:`events`.
            streams: As for :meth:`events`.
            max_batch: As for :meth:`events`.
            max_bytes: As for :meth:`events`.

        Raises:
            ValueError: ``name`` is not valid, ``after`` is no cursor, or a bound is below 1.
            StoreReadOnlyError: The system only reads, so it cannot store a position.  On PostgreSQL
                a client can; on SQLite only the owner can, and a client gets the error at its first
                batch.
            RoleLostError: While reading: this process was stalled for longer than its lease; the
                next read waits for the name again.
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
        """Run the consumer ``name`` on its own thread: ``handler`` gets every batch.

        A batch is committed when ``handler`` returns; after a crash or a failure it is delivered
        again.  An async ``handler`` runs on the system's event loop.

        Args:
            name: As for :meth:`consumer`.
            handler: Called with a batch.  If it raises, it is called again with the same batch
                after 0.1 to 30 seconds.
            after: As for :meth:`consumer`.
            types: As for :meth:`consumer`.
            category: As for :meth:`consumer`.
            streams: As for :meth:`consumer`.
            max_batch: As for :meth:`consumer`.
            max_bytes: As for :meth:`consumer`.
            max_attempts: Failed calls with one batch after which the consumer stops, with
                ``state`` ``"failed"`` and the error; it skips nothing.

        Raises:
            The errors of :meth:`consumer`.
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
        """The consumers that :meth:`consume` has started here and that are not stopped.

        A failed consumer is listed until its name is consumed again.
        """
        return self._access.parts.readers.tasks()
