"""Processes that are made to be killed, forked from one that has imported everything already.

Starting Python and importing the system costs half a second of processor time, a fork some
milliseconds: tests that kill dozens of processes then do not depend on how busy the machine is.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Self

TESTS = Path(__file__).parent.parent
_IMPORTED = [
    "indelible.system",
    "indelible.cli.app",
    "indelible.events.opening",
    "indelible.events.sqlite.store",
    "indelible.events.postgres.store",
    "indelible.migrations",
]

_context = get_context("forkserver")  # it has one thread, and so may fork
_context.set_forkserver_preload(_IMPORTED)


class Forked:
    """Runs a module of the crash tests as ``python -m`` does; what it prints is ``stdout``."""

    def __init__(self, module: str, arguments: list[str]) -> None:
        """Start it."""
        ours, theirs = _context.Pipe(duplex=False)
        self._process = _context.Process(target=_run, args=(module, arguments, theirs))
        self._process.start()
        theirs.close()
        self.stdout = os.fdopen(os.dup(ours.fileno()))
        ours.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Wait for its end."""
        self.stdout.close()
        self.wait()

    def send_signal(self, number: signal.Signals) -> None:
        assert self._process.pid is not None
        os.kill(self._process.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def wait(self) -> int:
        """Its exit code, as :class:`subprocess.Popen` has it."""
        self._process.join()
        assert self._process.exitcode is not None
        return self._process.exitcode


def _run(module: str, arguments: list[str], out: Connection) -> None:
    os.dup2(out.fileno(), 1)
    out.close()
    os.chdir(TESTS)
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
