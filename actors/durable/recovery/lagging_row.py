"""A row of ``streams`` with too low a version: damage that looks like another writer."""

from __future__ import annotations

from typing import TypeGuard

from indelible.errors import StoreCorruptError, WrongExpectedVersionError
from indelible.events.store import EventStore


def may_lag(error: BaseException) -> TypeGuard[WrongExpectedVersionError]:
    """Whether an append was refused because the row's version is lower than the version read."""
    return isinstance(error, WrongExpectedVersionError) and error.actual < error.expected


def check_row(store: EventStore, error: BaseException | None, version: int) -> None:
    """Check a stream's row after ``error`` refused an append.

    ``version`` is the stream's last version when it was read again after that.

    Raises:
        StoreCorruptError: The stream still ends at the version of the append, so the row is wrong.
    """
    if error is None or not may_lag(error) or version < error.expected:
        return
    stream, ends = error.stream, error.actual
    found = f"its version in streams is {ends}, although it has reached {version}"
    place = {"version": ends + 1}
    for event in store.read(stream, ends, ends + 1):  # none if that event is lost, too
        place |= {"shard": event.shard, "position": event.position}
    raise StoreCorruptError(store.url, found, stream=stream, **place)
