"""What a program finds in its own log and on its stderr: failures of its steps, nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_PROGRAM = """
import logging, sys
logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(name)s %(levelname)s")
from indelible import ActorSystem, step

@step("fine")
def fine(): return 1

@step("boom")
def boom(): raise ValueError("no such day")

def run(name, kind):
    with ActorSystem(f"sqlite:///{name}.db", steps=[fine, boom]) as system:
        system.workflow_agent("a").execute_workflow({"name": "w", "steps": [{"type": kind}]})

run("one", "fine")
run("two", "boom")
logging.getLogger().handlers.clear()  # a program that has not set up its logging
run("three", "boom")
"""


def test_the_log_has_the_failures_of_steps_alone_and_nothing_is_printed(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", _PROGRAM], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert [line for line in ran.stdout.splitlines() if line.startswith("indelible")] == [
        "indelible.steps ERROR"
    ]
    assert "alembic" not in ran.stdout
    assert ran.stderr == ""
