"""Which process may use a system: the one that opened it, and no child forked from that one."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from indelible.errors import ForkedError, SystemClosedError
from indelible.forks import watch

if TYPE_CHECKING:
    from indelible.assembly.system_parts import SystemParts


class ProcessGuard:
    """The parts of a system while it is open, in the process that opened it; for any thread.

    Attributes:
        url: Address of the store.
        lock: Held while it is opened or closed.
        opened: Its parts; ``None`` while it is closed.
        parent: In a forked child, the process that had opened the system; 0 elsewhere.
    """

    def __init__(self, url: str) -> None:
        """Be closed."""
        self.url = url
        self.lock = threading.Lock()
        self.opened: SystemParts | None = None
        self.parent = 0
        watch(self)

    @property
    def parts(self) -> SystemParts:
        """The parts of the open system.

        Raises:
            SystemClosedError: It is not open.
            ForkedError: It was opened before this process was forked.
        """
        parts = self.opened
        if parts is None:
            self.check_process("the system")
            raise SystemClosedError("this")
        return parts

    def check_process(self, wanted: str) -> None:
        """Refuse a forked child what its parent has opened, before it waits for any lock.

        Raises:
            ForkedError: This process is one; ``wanted`` is what it has called.
        """
        if self.parent:
            raise ForkedError(wanted, self.url, self.parent)

    def _forked(self, parent: int) -> None:
        """In a child: a system that is open, or is being opened, is the parent's alone."""
        if self.opened is not None or self.lock.locked():
            self.parent = parent
        self._inherited, self.opened = self.opened, None
        self.lock = threading.Lock()
