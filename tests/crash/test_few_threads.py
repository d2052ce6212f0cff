"""A limit of threads that the kernel enforces: runs wait for a thread, and are not lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

CHILD = Path(__file__).with_name("few_threads_child.py")


@pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="only root can become another user"
)
def test_with_any_number_of_threads_an_accepted_run_ends_when_there_are_more() -> None:
    with tempfile.TemporaryDirectory() as folder:  # pytest's own is not for other users
        Path(folder).chmod(0o777)
        child = subprocess.run(
            [sys.executable, str(CHILD), folder], capture_output=True, text=True, check=False
        )
    assert child.returncode == 0, child.stderr
    told = json.loads(child.stdout)
    assert [one["status"] for one in told] == ["success"] * 8
    opened = [one["open"] for one in told]
    assert opened == sorted(opened), "more threads are never worse"
    assert not opened[0]
    assert opened[-1]
    assert all(one["left"] == 0 for one in told if not one["open"])
    assert not told[0]["ready"]
    assert told[-1]["ready"]
