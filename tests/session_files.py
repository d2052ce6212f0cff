"""Where a session keeps its files: those of tests in memory, where the machine has room for them.

What a test kills is a process, never the machine: thousands of small stores need no disk, which
takes several times as long to sync them.  ``--basetemp`` and ``PYTEST_DEBUG_TEMPROOT`` choose
another place.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

MEMORY = Path("/dev/shm")  # noqa: S108 - directories in it are made with a random name, or for a user
ROOM = 4 << 30  # bytes free: a session's databases come and go, the write-ahead log stays
BYTECODE = Path(__file__).parents[1] / ".pytest_cache" / "bytecode"

_TEMPORARY = "PYTEST_DEBUG_TEMPROOT"


def in_memory() -> Path | None:
    """A folder whose files are in memory, if there is one with room enough."""
    if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= ROOM:
        return MEMORY
    return None


def pytest_configure(config: pytest.Config) -> None:
    """Choose before the workers start, and before any test has its ``tmp_path``."""
    if hasattr(config, "workerinput"):
        return  # which has inherited it
    memory = in_memory()
    if memory is not None:
        os.environ.setdefault(_TEMPORARY, str(memory))
    if sys.dont_write_bytecode:
        keep_bytecode()


def keep_bytecode() -> None:
    """Where Python may leave no bytecode beside its sources, have it keep that in pytest's cache.

    Else each of the hundreds of processes that tests start would compile the library anew.
    """
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix = str(BYTECODE)
    sys.dont_write_bytecode = False


def pytest_unconfigure(config: pytest.Config) -> None:
    """Drop the bytecode of modules that tests have written."""
    if hasattr(config, "workerinput"):
        return
    for temporary in {os.environ.get(_TEMPORARY), tempfile.gettempdir()} - {None}:
        for kept in BYTECODE.joinpath(*Path(str(temporary)).parts[1:]).glob("pytest-of-*"):
            shutil.rmtree(kept, ignore_errors=True)
