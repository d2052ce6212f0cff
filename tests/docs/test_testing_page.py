"""The tests that the page about testing shows pass, as a reader's own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from pages import SCRIPTS, Page


def test_every_test_on_the_page_passes(tmp_path: Path) -> None:
    names = Page("docs/testing.md").write_files(tmp_path)
    tests = [name for name in names if name.startswith("test_")]
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:randomly",
            *tests,
        ],
        cwd=tmp_path,
        env=os.environ | {"PATH": f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=55,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(tests) == 5
