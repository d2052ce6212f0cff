"""Records a person's decision about a step with an unknown outcome; starts no step."""

from __future__ import annotations

from typing import Any

from indelible.actors.workflow.run_messages import Resolution
from indelible.api.facade import access_to
from indelible.api.system import ActorSystem
from indelible.cli.options.common_options import CommandLine
from indelible.cli.render.advice import advise, unknown_outcomes
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
    """Resolve ``step`` of a run; if this process executes the run, the run does not continue here.

    Raises:
        UnknownRunError: There is no such run.
        RefusedError: The run does not wait for that step; stderr says what it waits for.
    """
    run = system.run(run_id)
    status = run.status()  # activates the run, which then knows of an interrupted attempt
    if system.owns:
        access_to(system).work.hold()  # the end of this process would interrupt the next attempt
    try:
        run.resolve_step(step, action, by=by, why=why, result=result)
    except RefusedError:
        advise(unknown_outcomes(status), status["waiting_for"], line, served=not system.owns)
        raise
