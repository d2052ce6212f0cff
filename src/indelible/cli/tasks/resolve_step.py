"""Records in a run how a step ended that waits for a person, and begins nothing."""

from __future__ import annotations

from typing import Any

from indelible.actors.workflow.run_messages import Resolution
from indelible.api.facade import access_to
from indelible.api.system import ActorSystem
from indelible.cli.options.common_options import CommandLine
from indelible.cli.render.advice import advise, asked
from indelible.errors import RefusedError


def record(
    system: ActorSystem,
    run_id: str,
    step: str,
    action: Resolution,
    *,
    by: str,
    why: str | None,
    result: Any,
    line: CommandLine,
) -> None:
    """Resolve ``step`` of a run; where this process executes it, the run stands still after that.

    Raises:
        UnknownRunError: There is no such run.
        RefusedError: It does not wait for that step; what it does wait for has been said.
    """
    run = system.run(run_id)
    status = run.status()  # after it, an attempt that was cut off is known to be
    if system.owns:
        access_to(system).work.hold()  # or the end of this process cut the next attempt off
    try:
        run.resolve_step(step, action, by=by, why=why, result=result)
    except RefusedError:
        advise(asked(status), status["waiting_for"], line, served=not system.owns)
        raise
