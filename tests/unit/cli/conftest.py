"""A directory with workflows and their steps, and two ways to call the command line in it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pytest
from typer.testing import CliRunner, Result

from forked import COMMAND, Forked
from indelible.cli.app import app

STEPS = '''
import os
from decimal import Decimal
from indelible import step

@step("note")
def note(context, text="done"):
    """Leave a trace outside the log."""
    with open("notes.txt", "a") as notes:
        notes.write(context.step_name + "\\n")
    print("noted", context.step_name)
    return {"text": text, "report": f"the report says {text}"}

@step("fail")
def fail(message="no such day"):
    raise ValueError(message)

@step("gate")
def gate(context):
    """Wait until somebody opens the pipe `gate` for writing."""
    with open("notes.txt", "a") as notes:
        notes.write(context.step_name + "\\n")
    print("at the gate", flush=True)
    os.close(os.open("gate", os.O_RDONLY))
    return "open"

@step("large")
def large(size):
    return "x" * size

@step("odd")
def odd():
    return {"price": Decimal("9.90"), "raw": b"ab", "many": [{"n": 1}] * 500}
'''

WORKFLOWS = {
    "two": """
        {"name": "two", "steps": [
            {"name": "first", "type": "note"},
            {"name": "last", "type": "note", "params": {"text": {"ref": "input.text"}}}]}
    """,
    "block": """
        {"name": "block", "steps": [
            {"name": "both", "pattern": "parallel", "steps": [
                {"name": "left", "type": "note"}, {"name": "right", "type": "note"}]},
            {"name": "last", "type": "note"}]}
    """,
    "gated": """
        {"name": "gated", "steps": [
            {"name": "first", "type": "note"},
            {"name": "wait", "type": "gate"},
            {"name": "last", "type": "note"}]}
    """,
    "asking": """
        {"name": "asking", "steps": [{"name": "wait", "type": "gate", "on_unknown_outcome": "ask"}]}
    """,
    "failing": """
        {"name": "failing", "steps": [{"name": "bad", "type": "fail"},
            {"name": "last", "type": "note"}]}
    """,
    "partial": """
        {"name": "partial", "pattern": "parallel", "steps": [
            {"name": "bad", "type": "fail"}, {"name": "good", "type": "note"}]}
    """,
    "large": """
        {"name": "large", "steps": [
            {"name": "large", "type": "large", "params": {"size": {"ref": "input.size"}}}]}
    """,
    "odd": """{"name": "odd", "steps": [{"name": "odd", "type": "odd"}]}""",
    "query": """
        {"name": "query", "steps": [
            {"name": "first", "type": "note"},
            {"name": "ask", "type": "database_query",
             "params": {"connection": "db", "query": "SELECT 1 AS one"}}]}
    """,
}

SWITCHES = ("COLUMNS", "FORCE_COLOR", "GITHUB_ACTIONS", "NO_COLOR", "PY_COLORS")
ENVIRONMENT = {
    name: value
    for name, value in os.environ.items()
    if name not in {*SWITCHES, "PYTHONPATH", "PYTHONUNBUFFERED"}
} | {"TERM": "xterm"}


class Commands:
    """Calls the command line in one directory."""

    def __init__(self, home: Path) -> None:
        """Call it in ``home``."""
        self.home = home
        self._started: list[subprocess.Popen[str] | Forked] = []

    def invoke(self, *words: str) -> Result:
        """Call it in this process."""
        return CliRunner().invoke(app, list(words))

    def start(self, *words: str, stderr: int = subprocess.PIPE) -> Forked:
        """Start it in a process of its own."""
        process = Forked(COMMAND, words, home=self.home, environment=ENVIRONMENT, stderr=stderr)
        self._started.append(process)
        return process

    def start_fresh(
        self, *words: str, code: str = "", stdout: int = subprocess.PIPE
    ) -> subprocess.Popen[str]:
        """Start it in an interpreter of its own; ``code`` runs before it."""
        program = f"{code}\nfrom indelible.cli import main\nmain()"
        process = subprocess.Popen(
            [sys.executable, "-c", program, *words],
            cwd=self.home,
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._started.append(process)
        return process

    def end(self) -> None:
        """Kill what a failed test has left running."""
        for process in self._started:
            if process.poll() is None:
                process.kill()
                process.communicate()

    def call(self, *words: str, code: str = "") -> subprocess.CompletedProcess[str]:
        """Call it in a process of its own, to the end; ``code`` runs before it."""
        process = self.start_fresh(*words, code=code) if code else self.start(*words)
        stdout, stderr = process.communicate(timeout=50)
        assert process.returncode is not None
        return subprocess.CompletedProcess(words, process.returncode, stdout, stderr)

    def notes(self) -> list[str]:
        """Names of the steps that were executed, in order."""
        file = self.home / "notes.txt"
        return file.read_text().split() if file.exists() else []


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Commands]:
    """The command line in a directory with all workflows and the module ``mysteps``."""
    (tmp_path / "mysteps.py").write_text(STEPS)
    for name, text in WORKFLOWS.items():
        (tmp_path / f"{name}.json").write_text(text)
    os.mkfifo(tmp_path / "gate")
    monkeypatch.chdir(tmp_path)
    for name in SWITCHES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "path", list(sys.path))
    known = set(sys.modules)
    commands = Commands(tmp_path)
    yield commands
    commands.end()
    for name in set(sys.modules) - known:
        file = getattr(sys.modules[name], "__file__", None) or ""
        if file.startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def wait_for() -> Callable[[IO[str] | None, str], str]:
    """Reads a stream until a line with some text; everything read so far."""

    def read(stream: IO[str] | None, text: str) -> str:
        assert stream is not None
        seen = ""
        for line in stream:
            seen += line
            if text in line:
                return seen
        pytest.fail(f"the stream ended without {text!r}:\n{seen}")

    return read
