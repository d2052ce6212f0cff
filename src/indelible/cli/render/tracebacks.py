"""The tracebacks of a run's failed steps, and the causes of their errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from indelible.cli.render.console import count, plain

_SHOWN = 3
"""Failures shown with tracebacks; ``--full`` and ``--json`` show all."""


def show_failures(console: Console, steps: Sequence[Mapping[str, Any]], *, full: bool) -> None:
    """Write the traceback of each failed step in ``steps``; of the first few unless ``full``."""
    failed = [
        step
        for step in steps
        if step["error"] is not None
        and step["state"] != "completed"
        and (step["error"]["traceback"] or step["error"]["causes"])
    ]
    shown = failed if full else failed[:_SHOWN]
    for step in shown:
        error = step["error"]
        failed_in = f"\n{plain(step['path'])} failed in attempt {step['attempts']:,}"
        console.print(Text(failed_in), soft_wrap=True)
        if error["traceback"]:
            console.print(Text(plain(error["traceback"].rstrip())), soft_wrap=True)
        console.print(Text(plain(f"{error['type']}: {error['message']}")), soft_wrap=True)
        for cause in error["causes"]:
            console.print(Text(plain(_cause(cause))), soft_wrap=True)
    if len(shown) < len(failed):
        console.print(f"and {count(len(failed) - len(shown), 'more failure')}; --full shows all")


_WORDS = {"cause": "caused by", "context": "raised while handling", "member": "one of them:"}


def _cause(cause: Mapping[str, Any]) -> str:
    at = f" (at {cause['at']})" if cause["at"] else ""
    word = _WORDS.get(cause["relation"], cause["relation"])
    return f"{'  ' * cause['depth']}{word} {cause['type']}: {cause['message']}{at}"
