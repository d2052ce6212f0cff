"""Whether a run is blocked: it waits for something that only a person can supply."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from indelible.actors.runtime.future import PooledFuture
from indelible.actors.workflow.run_messages import Describe
from indelible.actors.workflow.state.status_types import RunStatus
from indelible.api.facade import access_to
from indelible.api.run_handle import RunHandle
from indelible.api.system import ActorSystem
from indelible.errors import ActorError, AskTimeoutError

_ANSWER_TIMEOUT = 5.0
"""Seconds to wait for the status from the process that executes the run."""


class StatusQuestion:
    """Asks the process that executes a run for the run's status, without blocking."""

    def __init__(self, system: ActorSystem, run_id: str) -> None:
        """Send no question yet."""
        self._system = system
        self._stream = f"run-{run_id}"
        self._asked: PooledFuture[Any] | None = None

    def answer(self) -> RunStatus | None:
        """Send the question if none is pending; return the status if the answer is there.

        Raises:
            IndelibleError: The error that the process answered.
        """
        if self._asked is None and self._system.store.owners():
            access = access_to(self._system)
            self._asked = access.send(self._stream, Describe(), timeout=_ANSWER_TIMEOUT)
        if self._asked is None or not self._asked.done():
            return None
        asked, self._asked = self._asked, None
        try:
            status: RunStatus | None = asked.get(timeout=0)
        except AskTimeoutError:
            return None
        return status


def block_reasons(run: RunHandle) -> list[str]:
    """The reasons why ``run`` is blocked, as text; empty if it is not blocked or has ended.

    Reasons are an unknown outcome, a missing step type or connection, and a state that cannot be
    read.  Waiting for a retry is no block.
    """
    try:
        status = run.status()
        reasons = block_reasons_in(status)
        # The missing step types are read after the state: an equal version shows that they agree.
        return reasons if not reasons or run.status()["version"] == status["version"] else []
    except AskTimeoutError:
        return []
    except ActorError as error:
        return [str(error)]


def block_reasons_in(status: Mapping[str, Any]) -> list[str]:
    """The same for a ``status``, all of which must be of one moment."""
    waiting_for: list[str] = status["waiting_for"]
    if status["outcome"] is not None or not waiting_for:
        return []
    states = Counter(step["state"] for step in status["steps"])
    missing = len(waiting_for) - states["unknown"] - states["retrying"]
    continues = states["retrying"] or states["running"] > missing
    return [] if continues else waiting_for
