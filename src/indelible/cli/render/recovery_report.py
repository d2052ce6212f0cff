"""The report of ``recover`` about each run, for people and for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self

from rich.text import Text

from indelible.cli.options.common_options import CommandLine
from indelible.cli.render.advice import advise, unknown_outcomes
from indelible.cli.render.console import count, duration, one_line, out, plain, say, state_text
from indelible.cli.render.fitted_table import Column, UncutTable
from indelible.cli.render.run_ending import errors_of
from indelible.cli.render.values import write_json

_ROWS = 100
"""Runs in the table: a few screens; ``--json`` has all."""

_NOT_IN_JSON = ("notes", "unknown")
"""Attributes of a row that ``--json`` leaves out."""

_COLUMNS = (
    Column("run"),
    Column("workflow", 1),
    Column("state"),
    Column("steps"),
    Column("took", 2, right=True),
)


class RecoveredRun(NamedTuple):
    """One run after recovery; ``execution_time_ms`` is ``None`` before its end."""

    run_id: str
    workflow: str
    status: str
    steps_completed: int
    steps_total: int
    execution_time_ms: float | None
    error: Mapping[str, Any] | None
    waiting_for: Sequence[str]
    notes: Sequence[str]
    unknown: Sequence[tuple[str, str]]

    @classmethod
    def of(cls, status: Mapping[str, Any], reasons: Sequence[str]) -> Self:
        """The row of a run's ``status``; ``reasons`` say why it is blocked, if it has not ended."""
        ended = status["outcome"] is not None
        took = max(0, status["finished_at"] - status["accepted_at"]) / 1_000
        return cls(
            run_id=status["run_id"],
            workflow=status["workflow"],
            status=status["outcome"] or ("waiting" if reasons else status["state"]),
            steps_completed=status["steps_completed"],
            steps_total=status["steps_total"],
            execution_time_ms=took if ended else None,
            error=status["error"],
            waiting_for=reasons,
            notes=errors_of(status, 1) if ended else reasons,
            unknown=unknown_outcomes(status),
        )


class RecoveryReport(NamedTuple):
    """The result of ``recover``.

    Attributes:
        rows: One for each run that was unfinished.
        served: Whether another process executes the runs.
        quarantined: Number of runs that were quarantined before, and do not continue.
    """

    rows: Sequence[RecoveredRun]
    served: bool
    quarantined: int

    @property
    def succeeded(self) -> bool:
        """Whether each run ended in success."""
        return all(row.status == "success" for row in self.rows)

    def write_json(self) -> None:
        """Write all rows as one list."""
        kept = [row._asdict() for row in self.rows]
        for row in kept:
            for name in _NOT_IN_JSON:
                del row[name]
        write_json(kept)

    def show(self) -> None:
        """Write a table, then the errors and reasons."""
        console, rows = out(), self.rows
        if not rows:
            console.print("no unfinished run")
            return
        UncutTable(_COLUMNS, [_cells(row) for row in rows[:_ROWS]]).write(console)
        if len(rows) > _ROWS:
            console.print(f"and {count(len(rows) - _ROWS, 'more run')}; --json shows all")
        for row in rows[:_ROWS]:
            for note in row.notes:
                console.print(Text(f"{plain(row.run_id)}: {plain(note)}"), soft_wrap=True)

    def advise_on_rest(self, line: CommandLine) -> None:
        """Say on stderr what a person can do for runs that ``recover`` cannot finish."""
        left = [row for row in self.rows if row.status == "waiting"]
        unknown = [pair for row in left for pair in row.unknown]
        reasons = [reason for row in left for reason in row.waiting_for]
        advise(unknown, reasons, line, served=self.served)
        if self.quarantined:
            verb = "is" if self.quarantined == 1 else "are"
            command = CommandLine(line.store).command("runs", "--state", "quarantined")
            say(
                f"{count(self.quarantined, 'run')} {verb} quarantined: a step was cut off again and"
                f" again, and nothing goes on with it; see\n  {command}"
            )


def _cells(row: RecoveredRun) -> Sequence[Text]:
    took = row.execution_time_ms
    return (
        Text(plain(row.run_id)),
        Text(one_line(row.workflow, 20)),
        state_text(row.status),
        Text(f"{row.steps_completed:,}/{row.steps_total:,}"),
        Text("" if took is None else duration(took * 1_000)),
    )
