"""Detects deadlocks of async steps that await the end of a run, although they hold no thread."""

from __future__ import annotations

import asyncio
from contextlib import AbstractContextManager, nullcontext
from contextvars import Context
from functools import partial
from typing import TYPE_CHECKING

from indelible.actors.effects.current_attempt import RUNNING
from indelible.actors.runtime.event_loop import has_timer
from indelible.actors.runtime.pool.wait_graph import RunEnd, Wait
from indelible.actors.workflow.execute.step_context import StepContext, current_step

if TYPE_CHECKING:
    from indelible.actors.workflow.execute.executor import Executor
    from indelible.actors.workflow.execute.step_attempt import StepAttempt


def awaiting(executor: Executor, stream: str) -> AbstractContextManager[None]:
    """Surround an await, without a time-out, of the end of the run in ``stream``.

    Only awaits of a step's own task are registered: other tasks of the step may be given up, or the
    step may need only the first of several.  A step that has set a timer, as ``asyncio.timeout``
    does, does not count as an endless wait.

    Raises:
        DeadlockError: The await closes an endless cycle of steps that wait for each other's runs,
            on threads or on the event loop; the body has not run.
    """
    attempt = _own(executor)
    if attempt is None or attempt.context is None:
        return nullcontext()
    is_endless = partial(_is_endless, asyncio.get_running_loop(), attempt.context)
    end = RunEnd(id(executor), stream)
    return executor.pool.awaiting(Wait(attempt, end, forever=True, is_endless=is_endless))


def _own(executor: Executor) -> StepAttempt | None:
    """The attempt of ``executor`` whose own task is the current task."""
    step = current_step()
    if step is None:
        return None
    attempt = executor.find((f"run-{step.run_id}", step._node.index, step.attempt))
    if attempt is None or attempt.context is not step:  # a step of another system
        return None
    return attempt if attempt.task == id(asyncio.current_task()) else None


def _is_endless(loop: asyncio.AbstractEventLoop, step: StepContext) -> bool:
    """Whether the step has set no timer on ``loop`` that may end its wait."""

    def its_own(context: Context) -> bool:
        return context.get(RUNNING) is step

    return not has_timer(loop, its_own)
