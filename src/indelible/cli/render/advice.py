"""Advice for blocked runs, with commands that can be pasted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from indelible.cli.options.common_options import CommandLine
from indelible.cli.render.console import count, say

_STEPS = 5
"""Steps with a line of their own: more would hide the rest, and `indelible show` lists all."""


def unknown_outcomes(status: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Run and name of each step whose outcome only a person knows."""
    if status["outcome"] is not None:
        return []
    return [
        (status["run_id"], step["name"]) for step in status["steps"] if step["state"] == "unknown"
    ]


def advise(
    unknown: Sequence[tuple[str, str]], reasons: Sequence[str], line: CommandLine, *, served: bool
) -> None:
    """Say on stderr what a person can do for blocked runs.

    Args:
        unknown: Run and name of each step whose outcome only a person knows.
        reasons: All that the runs wait for, as text.
        line: Options of the command that was given.
        served: Whether another process executes the runs.
    """
    for run, step in unknown[:_STEPS]:
        say(
            f"say how step {step!r} of run {run!r} ended: retry, fail, or complete with --result\n"
            f"  {line.command('resolve', run, step, 'retry')}"
        )
    if len(unknown) > _STEPS:
        say(f"and {count(len(unknown) - _STEPS, 'more step')} of unknown outcome")
    if text := _missing(reasons, line, served=served):
        say(text)


def _missing(reasons: Sequence[str], line: CommandLine, *, served: bool) -> str:
    """How to supply the step types, functions and connections that ``reasons`` name."""
    modules = any("not registered" in reason for reason in reasons)
    connections = any("not declared" in reason for reason in reasons)
    options = ["--steps MODULE"] * modules + ["--connection NAME=URL"] * connections
    if not options:
        return ""
    given = " and ".join(options)
    if served:
        return f"start the process that owns the store anew, with {given} for what is missing"
    return f"give what is missing with {given}\n  {line.command('recover')} {' '.join(options)}"
