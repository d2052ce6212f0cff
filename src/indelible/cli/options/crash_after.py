"""``--crash-after``: the steps whose completion it waits for, checked before the run starts."""

from __future__ import annotations

from difflib import get_close_matches
from typing import NoReturn

import typer

from indelible.actors.workflow.definition.plan import Plan
from indelible.actors.workflow.state.node_status import COMPLETED
from indelible.api.facade import access_to
from indelible.api.system import ActorSystem
from indelible.errors import SchemaVersionError, StoreNotFoundError, UnknownRunError


def paths_to_complete(plan: Plan, step: str, store: str, run_id: str) -> tuple[str, ...]:
    """Paths of the steps that ``step`` names: one step, or all steps of a block.

    Raises:
        typer.BadParameter: The workflow has no such step, or the step is complete already.
    """
    index = plan.by_name.get(step, plan.by_path.get(step))
    if not index:  # 0 is the root, which is no step
        names = list(plan.by_name)
        close = get_close_matches(step, names, 1)
        advice = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(names[:20])}"
        _refuse(f"{plan.name!r} has no step {step!r}; {advice}")
    below = plan.nodes[index : plan.nodes[index].end]
    paths = tuple(node.path for node in below if node.kind == "step")
    if set(paths) <= _completed(store, run_id):
        _refuse(f"step {step!r} of run {run_id!r} is complete already; run without it to go on")
    return paths


def _completed(store: str, run_id: str) -> set[str]:
    try:
        with ActorSystem(store, mode="read") as system:
            state = access_to(system).reader.state(run_id)
    except (StoreNotFoundError, SchemaVersionError, UnknownRunError):
        return set()
    return {node.path for node in state.nodes if state.status[node.index] == COMPLETED}


def _refuse(why: str) -> NoReturn:
    raise typer.BadParameter(why, param_hint="--crash-after")
