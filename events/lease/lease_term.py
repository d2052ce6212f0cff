"""How long leases last: for the database, for their holder, and from one renewal to the next."""

from __future__ import annotations

LEASE = 10.0
"""Seconds after which other processes take over from a dead one: long enough for a paused virtual
machine or a server that fails over, short enough for people who wait."""

_RENEWALS = 3  # renewals in one lease: two may fail
_MARGIN = 10  # a tenth of the lease: for differences between clocks, and for the holder to stop


class LeaseTerm:
    """The times of leases of one length.

    Attributes:
        microseconds: From a renewal, by the database's clock, until another process may take over.
        valid: Nanoseconds from sending a renewal, by the holder's clock, until the holder stops.
        pause: Seconds from one renewal to the next.

    >>> term = LeaseTerm(10.0)
    >>> term.microseconds, term.valid, round(term.pause, 3)
    (10000000, 9000000000, 3.333)
    """

    __slots__ = ("microseconds", "pause", "valid")

    def __init__(self, seconds: float) -> None:
        """A lease lasts ``seconds``."""
        self.microseconds = round(seconds * 1e6)
        self.valid = self.microseconds * 1_000 * (_MARGIN - 1) // _MARGIN
        self.pause = seconds / _RENEWALS
