"""The common base of the classes that hold the public methods of a system."""

from __future__ import annotations

from indelible.assembly.system_access import SystemAccess
from indelible.events.store import EventStore


class Facade:
    """A group of a system's public methods; any thread may use it.

    Attributes:
        url: Address of the store.
    """

    url: str
    _access: SystemAccess

    @property
    def owns(self) -> bool:
        """Whether this system writes the store; otherwise it only reads it."""
        return self._access.owns

    @property
    def store(self) -> EventStore:
        """The event store.

        Raises:
            SystemClosedError: The system is not open.
        """
        return self._access.store


def access_to(system: Facade) -> SystemAccess:
    """The internal parts behind ``system``, for other modules of this library."""
    return system._access
