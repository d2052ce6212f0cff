"""What can be wrong with what is stored: damage and its place, and what verifying finds."""

from __future__ import annotations

from collections.abc import Sequence

from indelible.errors.store import StoreError


class StoreCorruptError(StoreError):
    """The file is not a store, or its contents contradict each other.

    Where ``stream`` or ``position`` says where the damage is, it stays there: that stream is set
    aside, and all others go on.
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
        they are "", 0, -1 and 0 where they cannot be told.
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
        """``known`` lists the schemas that are known of this type.

        The place is that of :class:`StoreCorruptError`; an event that is not in the log has none.
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
    """Stored bytes do not fit the event type that they claim to be."""

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
        """``why`` is the decoder's own message, the place that of :class:`StoreCorruptError`."""
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
        """``why`` is the decoder's own message."""
        super().__init__(f"a stored value cannot be read: {why}; run verify on the store", why=why)


class VerificationError(StoreError):
    """The store does not hold what was written: something was changed, removed, inserted, moved."""

    shard: int
    position: int
    found: str
    others: Sequence[str]

    def __init__(self, shard: int, position: int, found: str, others: Sequence[str] = ()) -> None:
        """``position`` is the first one that does not fit; 0 and shard -1 if there is none.

        ``others`` are the words for what else does not fit, with its places.
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
    """What was given as an anchor is none; nothing was verified."""

    def __init__(self, why: str) -> None:
        """``why`` says what is wrong with it."""
        super().__init__(
            f"this is no anchor ({why}); give what `indelible anchor` or system.anchor() wrote",
            why=why,
        )


class EventGapError(StoreCorruptError):
    """An event that is known to be in the log cannot be read; readers go no further."""

    after: int

    def __init__(self, shard: int, after: int, positions: Sequence[int]) -> None:
        """``positions`` are the first ones that were read behind ``after``."""
        found = f"position {positions[0]}" if positions else "nothing"
        StoreError.__init__(
            self,
            f"shard {shard} has {found} behind position {after}, where {after + 1} was wanted; "
            "run verify on the store. To read on without that event, begin behind it",
            url="",
            found=found,
            stream="",
            version=0,
            shard=shard,
            position=after + 1,
            after=after,
        )


def _place(stream: str, version: int, shard: int, position: int) -> str:
    """Where an event is, for people; empty if that cannot be told."""
    places = []
    if stream:
        places.append(f"stream {stream!r}" + (f" at version {version}" if version else ""))
    if position:
        places.append(f"position {position} of shard {shard}")
    return ", ".join(places)
