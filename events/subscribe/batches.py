"""Batches of events for readers of the log, each with the cursor after it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from difflib import get_close_matches
from typing import overload

from indelible.errors import UnknownFilterError
from indelible.events.codec.metadata import correlated
from indelible.events.model.event import UNREADABLE, DamagedEvent, Event, RecordedEvent
from indelible.events.model.stream_names import category_of
from indelible.events.store import Cursor

Decode = Callable[[RecordedEvent], Event]

_ALIKE = 0.7
"""Similarity of two names (``difflib``) from which one counts as a misspelling of the other."""


class Selection:
    """The filter of a reader; immutable."""

    def __init__(
        self,
        types: Collection[type[Event] | str] | None = None,
        category: str | None = None,
        streams: Collection[str] | None = None,
        correlation_id: str | None = None,
    ) -> None:
        """Select the events that match all arguments; ``None`` matches every event.

        Raises:
            TypeError: A single text is given instead of a collection.
        """
        for name, given in (("types", types), ("streams", streams)):
            if isinstance(given, str):
                raise TypeError(f"{name}={given!r} is one text; give a list, [{given!r}]")
        self._types = (
            None
            if types is None
            else frozenset(
                (*(kind if isinstance(kind, str) else kind.wire_name for kind in types), UNREADABLE)
            )
        )
        self._category = category
        self._streams = None if streams is None else frozenset((*streams, UNREADABLE))
        self._request = None if correlation_id is None else correlated(correlation_id)[1:]
        self.everything = (
            types is None and category is None and streams is None and correlation_id is None
        )

    def misspelling(
        self, categories: Collection[str], types: Collection[str]
    ) -> UnknownFilterError | None:
        """Return the error for an unknown name that resembles one of these, ``None`` if none."""
        if self._category is not None and _is_misspelt(self._category, categories):
            return UnknownFilterError("category", self._category, sorted(categories))
        for name in sorted(self._types or ()):
            if name != UNREADABLE and _is_misspelt(name, types):
                return UnknownFilterError("types", name, sorted(types))
        return None

    def wants(self, event: RecordedEvent) -> bool:
        """Whether ``event`` matches; unreadable fields of a damaged event always match."""
        return (
            (self._types is None or event.type in self._types)
            and (
                self._category is None
                or category_of(event.stream) == self._category
                or event.stream == UNREADABLE
            )
            and (self._streams is None or event.stream in self._streams)
            and (
                self._request is None
                or isinstance(event, DamagedEvent)
                or event.metadata.startswith(self._request, 1)  # the first field, if it is there
            )
        )


def _is_misspelt(name: str, known: Collection[str]) -> bool:
    return name not in known and bool(get_close_matches(name, known, 1, _ALIKE))


class Delivery:
    """One event of a batch: its recorded form, its typed form, and the cursor after it.

    Attributes:
        recorded: The event with its position, stream, version, time and metadata.
    """

    __slots__ = ("_batch", "_event", "_index", "recorded")

    def __init__(self, batch: EventBatch, index: int, recorded: RecordedEvent) -> None:
        """Hold the event at ``index`` of ``batch``."""
        self.recorded = recorded
        self._batch = batch
        self._index = index
        self._event: Event | None = None

    def __repr__(self) -> str:
        """Return the place and the type."""
        event = self.recorded
        return f"<Delivery {event.shard}:{event.position} {event.stream!r} {event.type}>"

    @property
    def event(self) -> Event:
        """The typed event, in its newest schema; decoded on first use.

        Raises:
            UnknownEventTypeError: The system has no class for it; ``recorded`` has the bytes.
            EventDecodeError: The payload does not fit the class, or the row is damaged.
        """
        if self._event is None:
            self._event = self._batch._decode(self.recorded)
        return self._event

    @property
    def cursor(self) -> Cursor:
        """The cursor after this event and all before it in the batch."""
        return self._batch.cursor_after(self._index)


class EventBatch(Sequence[Delivery]):
    """Events in the order of their positions in each shard; immutable.

    Across shards the events of one batch are in the order of ``recorded_at``, which the clocks of
    several processes have given.

    Attributes:
        cursor: The cursor after the whole batch.
    """

    __slots__ = ("_decode", "_items", "_start", "cursor")

    def __init__(
        self, events: Sequence[RecordedEvent], start: Cursor, cursor: Cursor, decode: Decode
    ) -> None:
        """Hold ``events``; ``start`` is the reader's cursor before them, and is not changed."""
        self._items = [Delivery(self, index, event) for index, event in enumerate(events)]
        self._start = start
        self.cursor = cursor
        self._decode = decode

    def cursor_after(self, index: int) -> Cursor:
        """Return the cursor after the event at ``index``."""
        if index == len(self._items) - 1:
            return dict(self.cursor)
        cursor = dict(self._start)
        for item in self._items[: index + 1]:
            cursor[item.recorded.shard] = item.recorded.position
        return cursor

    def __len__(self) -> int:
        """Return the number of events."""
        return len(self._items)

    @overload
    def __getitem__(self, index: int) -> Delivery: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Delivery]: ...

    def __getitem__(self, index: int | slice) -> Delivery | Sequence[Delivery]:
        """Return the event at ``index``."""
        return self._items[index]

    def __iter__(self) -> Iterator[Delivery]:
        """Iterate over the events in order."""
        return iter(self._items)
