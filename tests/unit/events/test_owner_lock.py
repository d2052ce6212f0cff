"""Who owns a SQLite store, as its lock file says: a process that has ended owns nothing."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from indelible.events.sqlite.owner_lock import read_owner


def lock_of(pid: int, folder: Path) -> Path:
    file = folder / "s.db.owner"
    said = {"owner": "o", "host": socket.gethostname(), "pid": pid, "since": 1}
    file.write_text(json.dumps(said))
    return file


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is Linux's")
def test_a_process_whose_parent_has_not_asked_how_it_ended_owns_nothing(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE) as child:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # and leave it a zombie
        assert read_owner(lock_of(child.pid, tmp_path)) is None
    assert read_owner(lock_of(os.getpid(), tmp_path)) is not None
