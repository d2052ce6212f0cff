"""Notification of the end of a run that this process executes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from indelible.actors.runtime.future import PooledFuture
from indelible.actors.workflow.run_messages import GetEnd
from indelible.errors import StoreUnavailableError

if TYPE_CHECKING:
    from indelible.actors.durable.directory import Directory
    from indelible.actors.workflow.execute.executor import Executor
    from indelible.actors.workflow.execute.run_endings import EndListener


def on_end(
    executor: Executor, directory: Directory, stream: str, ended: EndListener
) -> Callable[[], None]:
    """Have ``ended`` called when the run in ``stream`` has ended.

    ``ended`` gets the run's last state, or the error that prevents the notification, and may be
    called twice.

    Returns:
        A function that cancels the notification.
    """
    forget = executor.endings.add(stream, ended)
    recent = executor.endings.recent(stream)  # after add(), so that no end is missed
    if recent is not None:
        ended(recent)
        return forget
    actor = directory.live(stream)
    state = None if actor is None else actor.state
    if state is not None and state.accepted is not None and state.end is None:
        return forget  # the run is in memory: its actor notifies
    answer_future = directory.ask(stream, GetEnd())

    def answered(answer: PooledFuture[Any]) -> None:
        try:
            state = answer.get(timeout=0)
        except StoreUnavailableError:
            return  # the run continues later, and its actor notifies
        except Exception as error:  # noqa: BLE001 - the listener gets it
            ended(error)
            return
        if state is not None:
            ended(state)

    answer_future.add_done_callback(answered)
    return forget
