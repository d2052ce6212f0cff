"""Errors of damaged data: the place of the damage, and the findings of verification."""

from __future__ import annotations

from collections.abc import Sequence

from indelible.errors.store import StoreError


class StoreCorruptError(StoreError):
    """The file is not a store, or its contents contradict each other.

    If ``stream`` or ``position`` gives the place of the damage, only that stream is set aside, and
    all other streams continue.
    """

    url: str
    found: str
    stream: str
    version: int
    shard: int
    position: int

    def __init__(
        self,
        url: str,
        found: str,
        *,
        stream: str = "",
        version: int = 0,
        shard: int = -1,
        position: int = 0,
    ) -> None:
        """``found`` says what contradicts what.

        ``stream`` and ``version``, and ``shard`` and ``position``, are the place of the damage;
        they are "", 0, -1 and 0 if they are not known.
        """
        where = _place(stream, version, shard, position)
        super().__init__(
            f"{where}{url and f' of {url}'} is damaged: {found}; nothing else is touched by it: "
            "run verify, and restore this from a backup"
            if where
            else f"{url} is not a usable store: {found}; restore a backup or give another file",
            url=url,
            found=found,
            stream=stream,
            version=version,
            shard=shard,
            position=position,
        )


class UnknownEventTypeError(StoreError):
    """The log holds an event that this code does not know."""

    type: str
    schema: int
    known: str
    stream: str
    version: int
    shard: int
    position: int

    def __init__(
        self,
        type: str,  # noqa: A002 - the field's name
        schema: int,
        known: str = "",
        *,
        stream: str = "",
        version: int = 0,
        shard: int = -1,
        position: int = 0,
    ) -> None:
        """``known`` lists the known schemas of this type.

        The place is as in :class:`StoreCorruptError`; an event that is not in the log has none.
        """
        where = _place(stream, version, shard, position)
        super().__init__(
            (f"{where}: " if where else "")
            + f"no event type {type!r} schema {schema} is registered"
            + (f" (known: {known})" if known else "")
            + "; register its class, or run the version that wrote it",
            type=type,
            schema=schema,
            known=known,
            stream=stream,
            version=version,
            shard=shard,
            position=position,
        )


class EventDecodeError(StoreCorruptError):
    """Stored bytes do not fit their event type."""

    type: str
    schema: int
    why: str

    def __init__(
        self,
        type: str,  # noqa: A002 - the field's name
        schema: int,
        why: str,
        *,
        stream: str = "",
        version: int = 0,
        shard: int = -1,
        position: int = 0,
    ) -> None:
        """``why`` is the decoder's message; the place is as in :class:`StoreCorruptError`."""
        where = _place(stream, version, shard, position)
        StoreError.__init__(
            self,
            (f"{where}: " if where else "")
            + f"event {type!r} schema {schema} cannot be read: {why}; run verify on the store",
            url="",
            found=why,
            type=type,
            schema=schema,
            why=why,
            stream=stream,
            version=version,
            shard=shard,
            position=position,
        )


class ValueDecodeError(StoreError):
    """Stored bytes are not a value that this library has encoded."""

    why: str

    def __init__(self, why: str) -> None:
        """``why`` is the decoder's message."""
        super().__init__(f"a stored value cannot be read: {why}; run verify on the store", why=why)


class VerificationError(StoreError):
    """The store does not hold the written data: it was changed, removed, inserted or moved."""

    shard: int
    position: int
    found: str
    others: Sequence[str]

    def __init__(self, shard: int, position: int, found: str, others: Sequence[str] = ()) -> None:
        """``position`` is the first wrong position; 0 and shard -1 if there is none.

        ``others`` are the other findings, as text with their places.
        """
        where = f"shard {shard}" + (f" breaks at position {position}" if position else "")
        more = f" (and {len(others)} more that do not fit)" if others else ""
        super().__init__(
            f"{where if shard >= 0 else 'the store'}: {found}{more}",
            shard=shard,
            position=position,
            found=found,
            others=others,
        )


class AnchorError(StoreError):
    """The given text is not an anchor; nothing was verified."""

    def __init__(self, why: str) -> None:
        """``why`` says why it is not an anchor."""
        super().__init__(
            f"this is no anchor ({why}); give what `indelible anchor` or system.anchor() wrote",
            why=why,
        )


class EventGapError(StoreCorruptError):
    """An event that must be in the log cannot be read; readers stop before it."""

    after: int

    def __init__(self, shard: int, after: int, positions: Sequence[int]) -> None:
        """``positions`` are the first positions that were read after ``after``."""
        found = f"position {positions[0]}" if positions else "nothing"
        StoreError.__init__(
            self,
            f"shard {shard} has {found} after position {after}, where {after + 1} was expected; "
            "run verify on the store. To read on without that event, begin after it",
            url="",
            found=found,
            stream="",
            version=0,
            shard=shard,
            position=after + 1,
            after=after,
        )


def _place(stream: str, version: int, shard: int, position: int) -> str:
    """The place of an event, for people; empty if it is not known."""
    places = []
    if stream:
        places.append(f"stream {stream!r}" + (f" at version {version}" if version else ""))
    if position:
        places.append(f"position {position} of shard {shard}")
    return ", ".join(places)
