"""Whether a process serves the store on which this one waits, and what is known if none does."""

from __future__ import annotations

import logging

from indelible.clock import Clock
from indelible.errors import StoreError
from indelible.events.store import EventStore

logger = logging.getLogger("indelible.clients")

EVERY = 1.0
"""Seconds between two looks, and until an absence counts: services report once a second."""

_GOES_ON = "what waits goes on when a process serves the store: start `indelible serve`"


class ServiceWatch:
    """Looks for the owners of a store and for the reports of their health; for any thread."""

    def __init__(self, store: EventStore, clock: Clock) -> None:
        """Look at ``store``, which others own; nothing is read yet."""
        self._store = store
        self._clock = clock
        self._look_at = 0
        self._served = True
        self._missed = False
        self._known: tuple[str, int] | None = None  # host and process that served it last

    @property
    def served(self) -> bool:
        """Whether a process serves the store, as the looks so far say."""
        return self._served

    def look(self) -> str:
        """What has changed, in words for people; empty if nothing, or before its time.

        A service counts as absent when two looks in a row find none; a store that cannot be read
        says nothing about it.

        Raises:
            SystemClosedError: The store is closed.
        """
        now = self._clock.monotonic()
        if now < self._look_at:
            return ""
        self._look_at = now + round(EVERY * 1e9)
        try:
            absence = self.absence()
        except StoreError:
            return ""
        missed, self._missed = self._missed, bool(absence)
        if absence and missed and self._served:
            self._served = False
            return absence
        if not absence and not self._served and self._known is not None:
            self._served = True
            host, process = self._known
            return f"process {process} on {host} serves {self._store.url} now; what waited goes on"
        return ""

    def notice(self) -> None:
        """Log what has changed, as a warning."""
        if words := self.look():
            logger.warning("%s", words)

    def absence(self) -> str:
        """What is known of the service that is not there, in words; empty if one is.

        One that has not reported for some seconds counts as absent, though it may hold the store.

        Raises:
            StoreError: The store cannot be read.
        """
        from indelible.reports import read_processes  # needs the parts of a system

        owners = self._store.owners()
        with self._store.read_views() as connection:
            processes = read_processes(connection)
        silent = {
            (one.host, one.pid)
            for one in processes
            if one.report_age_s is not None and not one.alive
        }
        present = [(one.host, one.pid) for one in owners if (one.host, one.pid) not in silent]
        if present:
            self._known = present[0]
            return ""
        ages = {(one.host, one.pid): one.report_age_s for one in reversed(processes)}
        last = self._known or next(reversed(ages), None)
        if last is None:
            return f"no process serves {self._store.url}; {_GOES_ON}"
        age = ages.get(last)
        seen = "is gone" if age is None else f"was last heard of {age:,.0f} s ago"
        return f"process {last[1]} on {last[0]}, which served {self._store.url}, {seen}; {_GOES_ON}"
