"""Only the process that opened a system may use it; a child forked from it may not."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from indelible.errors import ForkedError, SystemClosedError
from indelible.forks import watch

if TYPE_CHECKING:
    from indelible.assembly.system_parts import SystemParts


class ProcessGuard:
    """Holds the parts of an open system, for the process that opened it; for any thread.

    Attributes:
        url: Address of the store.
        lock: Held while the system is opened or closed.
        opened: The parts; ``None`` while the system is closed.
        parent: In a forked child, the id of the process that opened the system; otherwise 0.
    """

    def __init__(self, url: str) -> None:
        """Begin closed."""
        self.url = url
        self.lock = threading.Lock()
        self.opened: SystemParts | None = None
        self.parent = 0
        watch(self)

    @property
    def parts(self) -> SystemParts:
        """The parts of the open system.

        Raises:
            SystemClosedError: The system is not open.
            ForkedError: The system was opened before this process was forked.
        """
        parts = self.opened
        if parts is None:
            self.check_process("the system")
            raise SystemClosedError("this")
        return parts

    def check_process(self, wanted: str) -> None:
        """Refuse a forked child the use of its parent's system, before it waits for a lock.

        Raises:
            ForkedError: This process is such a child; ``wanted`` names the method that it called.
        """
        if self.parent:
            raise ForkedError(wanted, self.url, self.parent)

    def _forked(self, parent: int) -> None:
        """In a forked child: an open system, or one being opened, belongs to the parent."""
        if self.opened is not None or self.lock.locked():
            self.parent = parent
        self._inherited, self.opened = self.opened, None
        self.lock = threading.Lock()
