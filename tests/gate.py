"""Steps that note that they ran, and one at which a test has runs wait."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from indelible import step


class Gate:
    """The step types ``note`` and ``gate``, of which the second ends only if this is open.

    Attributes:
        is_open: Whether a step that comes to it passes; one that waits already waits for ever.
        waiting: Released by each step that comes to it.
        came: The run of each of these steps.
        ran: ``RUN/STEP`` of each ``note`` that ran.
    """

    def __init__(self, *, is_open: bool = False, result: Any = None) -> None:
        """Each ``note`` returns ``result``."""
        self.is_open = is_open
        self.waiting = threading.Semaphore(0)
        self.came: list[str] = []
        self.ran: list[str] = []
        self._result = result

    def steps(self) -> list[Any]:
        @step("note")
        def note(context: Any) -> Any:
            self.ran.append(f"{context.run_id}/{context.step_name}")
            return self._result

        @step("gate")
        async def gate(context: Any) -> None:
            self.came.append(context.run_id)
            self.waiting.release()
            if not self.is_open:
                await asyncio.Event().wait()

        return [note, gate]
