"""Processes that tests signal and kill, forked from one that has imported everything already.

Starting Python and importing the system costs half a second of processor time, a fork some
milliseconds: tests that start hundreds of processes then do not depend on how busy the machine is.
What a whole interpreter does, from its start to its end, is looked at where the pages are run.
"""

from __future__ import annotations

import os
import runpy
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

PIPE = subprocess.PIPE
COMMAND = "forked_command"
"""The module that is the command line."""

_TESTS = Path(__file__).parent
_IMPORTED = [
    "__main__",
    "indelible.api.system",
    "indelible.cli.app",
    "indelible.cli.tasks.run_job",
    "indelible.cli.tasks.service_life",
    "indelible.events.opening",
    "indelible.events.sqlite.store",
    "indelible.events.postgres.store",
    "indelible.migrations",
    # what those load when they are called
    "indelible.assembly.system_parts",
    "alembic.command",
    "pydantic",
    "pydantic.type_adapter",
    "rich.progress",
    "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.dialects.sqlite",
]

# A fork server has one thread, and so may fork; what is measured runs from an interpreter's start.
_MEASURED = "COVERAGE_PROCESS_CONFIG" in os.environ
_context = get_context("spawn") if _MEASURED else get_context("forkserver")
_context.set_forkserver_preload(_IMPORTED)


class Forked:
    """Runs a module as ``python -m`` does, and is for its parent what a Popen in text mode is.

    Attributes:
        pid: Its number.
        stdin: What it reads, if that comes from a pipe.
        stdout: What it prints, if that goes to a pipe; ``stderr`` likewise.
        returncode: Its exit code, or minus the number of the signal that ended it, once it is
            known.
    """

    def __init__(
        self,
        module: str,
        arguments: Sequence[str],
        *,
        home: Path = _TESTS,
        environment: Mapping[str, str] | None = None,
        stdin: int | None = None,
        stdout: int | None = PIPE,
        stderr: int | None = None,
    ) -> None:
        """Start it in the directory ``home``.

        An output is a pipe, a file, or this process's; the input is a pipe or nothing.
        """
        self.returncode: int | None = None
        self.stdin, given = _stream(stdin, writes=True)
        self.stdout, out = _stream(stdout)
        self.stderr, error = _stream(stderr)
        ends = {number: one for number, one in enumerate((given, out, error)) if one is not None}
        settings = dict(os.environ if environment is None else environment)
        words = (module, list(arguments), str(home), settings, ends)
        self._process = _context.Process(target=_run, args=words)
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid
        for one in ends.values():
            one.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Wait for its end."""
        self._close()
        self.wait()

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def poll(self) -> int | None:
        """Its exit code, if it has ended."""
        if self.returncode is None:
            self.returncode = self._process.exitcode
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, once it has ended.

        Raises:
            TimeoutError: It has not, after ``timeout`` seconds.
        """
        self._process.join(timeout)
        code = self.poll()
        if code is None:
            raise TimeoutError(f"process {self.pid} goes on after {timeout} s")
        return code

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """All that it still prints, to both pipes, until it ends; its input ends here."""
        if self.stdin is not None:
            self.stdin.close()
        said: dict[TextIO, str] = {}
        streams = [one for one in (self.stdout, self.stderr) if one is not None and not one.closed]
        readers = [
            threading.Thread(target=lambda one=one: said.update({one: one.read()}), daemon=True)
            for one in streams
        ]
        for reader in readers:
            reader.start()
        self.wait(timeout)
        for reader in readers:
            reader.join(timeout)
        self._close()
        return tuple(said.get(one, "") for one in (self.stdout, self.stderr))  # type: ignore[return-value, arg-type]

    def _close(self) -> None:
        for stream in (self.stdin, self.stdout, self.stderr):
            if stream is not None:
                stream.close()


def _stream(
    where: int | None, *, writes: bool = False
) -> tuple[TextIO | None, Connection[Any, Any] | None]:
    """The end of a stream that is for this process, and the one for the child."""
    if where is None:
        return None, None
    if where != PIPE:
        return None, Connection(os.dup(where))
    reads, written = os.pipe()
    ours, theirs = (written, reads) if writes else (reads, written)
    return os.fdopen(ours, "w" if writes else "r"), Connection(theirs)


def _run(
    module: str,
    arguments: list[str],
    home: str,
    environment: dict[str, str],
    ends: dict[int, Connection[Any, Any]],
) -> None:
    for number, one in ends.items():
        os.dup2(one.fileno(), number)
        one.close()
    if 0 in ends:
        sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", 1, errors="backslashreplace", closefd=False)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(home)
    sys.argv = [module, *arguments]
    sys.path[:0] = [""]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
