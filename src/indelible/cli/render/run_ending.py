"""The end of a run, for people and for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from rich.text import Text

from indelible.actors.workflow.state.describe import describe
from indelible.actors.workflow.state.instances import in_order
from indelible.actors.workflow.state.node_results import outcome_value, value_of
from indelible.api.facade import access_to
from indelible.api.system import ActorSystem
from indelible.cli.render.console import (
    count,
    duration,
    facts,
    one_line,
    out,
    plain,
    state_text,
    word_of,
)
from indelible.cli.render.values import brief, write_json

_ERRORS_SHOWN = 10
_SAME = ("run_id", "workflow", "agent_id")
_COUNTS = ("steps_completed", "steps_failed", "steps_skipped", "steps_total")


class RunEnding(NamedTuple):
    """The last known status of a run.

    Attributes:
        status: The result of ``run.status()``.
        reasons: The reasons why the run is blocked, if it has not ended.
        value: The result of the whole run, or of its last step, see :meth:`read`.
        served: Whether another process executes the run.
    """

    status: Mapping[str, Any]
    reasons: Sequence[str]
    value: Any
    served: bool

    @classmethod
    def read(
        cls, system: ActorSystem, run_id: str, reasons: Sequence[str], *, whole: bool
    ) -> RunEnding:
        """Read a run of an open system; ``whole`` reads all results, not only the last."""
        state = access_to(system).reader.state(run_id)
        blob = system.store.blob
        *_, last = (node.index for node in in_order(state))
        value = outcome_value(state.values, blob) if whole else value_of(state.values, last, blob)
        return cls(describe(state), reasons, value, not system.owns)

    @property
    def succeeded(self) -> bool:
        """Whether the outcome is ``success``."""
        return bool(self.status["outcome"] == "success")

    def write_json(self) -> None:
        """Write the keys of ``run.result()``, and what the run waits for."""
        status = self.status
        ended = status["outcome"] is not None
        write_json(
            {key: status[key] for key in _SAME}
            | {
                "status": status["outcome"] or status["state"],
                "result": self.value if ended else None,
                "error": status["error"],
            }
            | {key: status[key] for key in _COUNTS}
            | {
                "execution_time_ms": _took(status) / 1_000 if ended else None,
                "checkpoints_created": status["checkpoints_created"],
                "waiting_for": list(self.reasons),
            }
        )

    def show(self) -> None:
        """Write a summary, and the text ``report`` in the last step's result."""
        status = self.status
        console = out()
        took = f" in {duration(_took(status))}" if status["outcome"] else ""
        console.print(
            Text.assemble(
                "run ", (plain(status["run_id"]), "bold"), "  ", state_text(word_of(status)), took
            ),
            soft_wrap=True,
        )
        console.print(
            facts(
                [
                    ("workflow", status["workflow"]),
                    ("steps", steps_text(status)),
                    ("checkpoints", f"{status['checkpoints_created']:,}"),
                    *(("waits for", reason) for reason in self.reasons),
                    *(("error", text) for text in errors_of(status)),
                ]
            )
        )
        report = self.value.get("report") if isinstance(self.value, dict) else None
        if isinstance(report, str):
            console.print()
            console.print(Text(plain(report)), soft_wrap=True)
        elif self.succeeded:
            console.print(facts([("result", brief(self.value, 200))]))


def steps_text(status: Mapping[str, Any]) -> str:
    """The number of steps, in all and by state."""
    counts = [
        f"{status[f'steps_{word}']:,} {word}"
        for word in ("completed", "failed", "skipped")
        if status[f"steps_{word}"]
    ]
    return f"{status['steps_total']:,} ({', '.join(counts) or 'none completed'})"


def errors_of(status: Mapping[str, Any], limit: int = _ERRORS_SHOWN) -> list[str]:
    """The errors of steps, or else the run's own error, one line each."""
    lines = [
        f"{step['path']}: {step['error']['type']}: {step['error']['message']}"
        for step in status["steps"]
        if step["error"] is not None and step["state"] != "completed"
    ]
    error = status["error"]
    if error is not None and not lines:
        lines = [f"{error['step']}: {error['type']}: {error['message']}"]
    shown = [one_line(line, 300) for line in lines[:limit]]
    if len(lines) > limit:
        shown.append(f"and {count(len(lines) - limit, 'more error')}")
    return shown


def _took(status: Mapping[str, Any]) -> int:
    """Microseconds from acceptance to the end."""
    return max(0, int(status["finished_at"]) - int(status["accepted_at"]))
