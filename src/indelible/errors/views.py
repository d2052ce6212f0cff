"""Errors of views and of parked events."""

from __future__ import annotations

from indelible.errors.base import IndelibleError
from indelible.errors.damage import StoreCorruptError
from indelible.errors.store import StoreError


class RebuildUnderWayError(IndelibleError):
    """Another process is rebuilding the view; nothing has changed."""

    def __init__(self, projection: str) -> None:
        """``projection`` is the view's name."""
        super().__init__(
            f"another process is rebuilding the view {projection!r}; wait until it is done",
            projection=projection,
        )


class UnknownParkedEventError(IndelibleError):
    """The view has not parked this event."""

    def __init__(self, projection: str, shard: int, position: int) -> None:
        """``projection`` is the view's name."""
        super().__init__(
            f"the view {projection!r} has parked no event at position {position} of shard {shard};"
            " list what is parked",
            projection=projection,
            shard=shard,
            position=position,
        )


class ParkedAgainError(IndelibleError):
    """The view tried the event again and still cannot apply it; it stays parked."""

    def __init__(self, projection: str, shard: int, position: int, error: str) -> None:
        """``error`` is the text of the new error."""
        super().__init__(
            f"the view {projection!r} still cannot apply position {position} of shard {shard}:"
            f" {error}; mend the view and retry, or skip the event",
            projection=projection,
            shard=shard,
            position=position,
            error=error,
        )


class ViewsBehindError(IndelibleError):
    """The decision is recorded, but the view did not reach it in time; it will carry it out."""

    def __init__(self, projection: str, timeout: float) -> None:
        """``timeout`` is seconds."""
        super().__init__(
            f"recorded, and the view {projection!r} has not reached it within {timeout:g} s: it"
            " is carried out as soon as a process updates the view; do not repeat it",
            projection=projection,
            timeout=timeout,
        )


class ViewDamagedError(StoreCorruptError):
    """A row of a view cannot be read; the log is not affected, and the view can be rebuilt."""

    view: str

    def __init__(self, view: str, url: str, found: str) -> None:
        """``found`` says what is wrong with the row."""
        StoreError.__init__(
            self,
            f"a row of the view {view!r} in {url} is damaged: {found}; rebuild the view with "
            f"`indelible rebuild {view}`",
            view=view,
            url=url,
            found=found,
            stream="",
            version=0,
            shard=-1,
            position=0,
        )
