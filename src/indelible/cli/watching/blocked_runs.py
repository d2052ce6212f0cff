"""Whether a run goes on by itself, or waits for something that this process does not have."""

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

_ANSWERED_IN = 5.0
"""Seconds in which a process that executes a run is to say what it waits for."""


class StatusQuestion:
    """What a run waits for, asked of the process that executes it, without waiting for that."""

    def __init__(self, system: ActorSystem, run_id: str) -> None:
        """Ask nothing yet."""
        self._system = system
        self._stream = f"run-{run_id}"
        self._asked: PooledFuture[Any] | None = None

    def answer(self) -> RunStatus | None:
        """The run's status once it has been answered; until then the question is under way.

        Raises:
            IndelibleError: What that process answers instead.
        """
        if self._asked is None and self._system.store.owners():
            access = access_to(self._system)
            self._asked = access.send(self._stream, Describe(), timeout=_ANSWERED_IN)
        if self._asked is None or not self._asked.done():
            return None
        asked, self._asked = self._asked, None
        try:
            status: RunStatus | None = asked.get(timeout=0)
        except AskTimeoutError:
            return None
        return status


def what_holds(run: RunHandle) -> list[str]:
    """What ``run`` cannot go on without, in words; empty while it goes on or has ended.

    Such are an outcome that only a person knows, a step type or a connection that is
    not there, and a state that cannot be read.  A retry's time comes by itself.
    """
    try:
        status = run.status()
        reasons = held(status)
        # The list of what is missing is read after the state: without a change it belongs to it.
        return reasons if not reasons or run.status()["version"] == status["version"] else []
    except AskTimeoutError:
        return []
    except ActorError as error:
        return [str(error)]


def held(status: Mapping[str, Any]) -> list[str]:
    """The same from a status alone, which must be of one moment."""
    waiting_for: list[str] = status["waiting_for"]
    if status["outcome"] is not None or not waiting_for:
        return []
    states = Counter(step["state"] for step in status["steps"])
    lacking = len(waiting_for) - states["unknown"] - states["retrying"]
    goes_on = states["retrying"] or states["running"] > lacking
    return [] if goes_on else waiting_for
