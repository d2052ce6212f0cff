"""Watches whether a process serves the store that a client waits for."""

from __future__ import annotations

import logging

from indelible.clock import Clock
from indelible.errors import StoreError
from indelible.events.store import EventStore

logger = logging.getLogger("indelible.clients")

CHECK_INTERVAL = 1.0
"""Seconds between two checks, and until an absence counts: services report once a second."""

_START_ONE = "runs and commands wait until a process serves the store: start `indelible serve`"


class ServiceWatch:
    """Checks the owners of a store and their health reports; for any thread."""

    def __init__(self, store: EventStore, clock: Clock) -> None:
        """Watch ``store``, which other processes own; read nothing yet."""
        self._store = store
        self._clock = clock
        self._next_check = 0
        self._served = True
        self._missed = False
        self._known: tuple[str, int] | None = None  # host and process id of the last owner

    @property
    def served(self) -> bool:
        """Whether a process serves the store, by the checks so far."""
        return self._served

    def check(self) -> str:
        """Check, if a check is due; return a change as text, or empty text if nothing has changed.

        A service counts as absent when two checks in a row find none.  A store that cannot be read
        changes nothing.

        Raises:
            SystemClosedError: The store is closed.
        """
        now = self._clock.monotonic()
        if now < self._next_check:
            return ""
        self._next_check = now + round(CHECK_INTERVAL * 1e9)
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
            served = f"process {process} on {host} serves {self._store.url} now"
            return f"{served}; waiting runs and commands continue"
        return ""

    def notice(self) -> None:
        """Log a change, as a warning."""
        if text := self.check():
            logger.warning("%s", text)

    def absence(self) -> str:
        """The absent service and its last report, as text; empty if a process serves the store.

        A process that has not reported for 5 seconds counts as absent, though it may own the store.

        Raises:
            StoreError: The store cannot be read.
        """
        from indelible.service.process_rows import read_processes  # the owner needs none

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
            return f"no process serves {self._store.url}; {_START_ONE}"
        age = ages.get(last)
        seen = "is gone" if age is None else f"was last heard of {age:,.0f} s ago"
        return (
            f"process {last[1]} on {last[0]}, which served {self._store.url}, {seen}; {_START_ONE}"
        )
