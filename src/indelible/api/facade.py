"""What the public methods of a system have in common: they work through its access."""

from __future__ import annotations

from indelible.assembly.system_access import SystemAccess
from indelible.events.store import EventStore


class Facade:
    """A part of what a system shows to users; any thread may use it.

    Attributes:
        url: Address of the store.
    """

    url: str
    _access: SystemAccess

    @property
    def owns(self) -> bool:
        """Whether this system writes the store, rather than only reading it."""
        return self._access.owns

    @property
    def store(self) -> EventStore:
        """The log.

        Raises:
            SystemClosedError: The system is not open.
        """
        return self._access.store


def access_to(system: Facade) -> SystemAccess:
    """What ``system`` works through, for other modules of this library."""
    return system._access
