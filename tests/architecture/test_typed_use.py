"""Type checkers accept the right use of what users get, and refuse its misuse."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

USE = Path(__file__).with_name("typed_use.py")
BIN = Path(sys.executable).parent
REPORTED = re.compile(r"typed_use\.py:(\d+)\b.*\berror: ")


def test_mypy_refuses_the_lines_that_misuse_a_result_and_no_others(tmp_path: Path) -> None:
    check(tmp_path, BIN / "mypy", "--strict", "--python-executable", sys.executable)


def test_pyright_refuses_the_lines_that_misuse_a_result_and_no_others(tmp_path: Path) -> None:
    check(tmp_path, BIN / "pyright", "--pythonpath", sys.executable)


def check(folder: Path, *checker: str | Path) -> None:
    """Compare what ``checker`` reports with what is marked; ``folder`` has no settings of ours."""
    lines = USE.read_text().splitlines()
    wanted = {number for number, line in enumerate(lines, 1) if line.endswith("# error")}
    done = subprocess.run([*checker, USE], cwd=folder, capture_output=True, text=True, check=False)
    reported = {int(number) for number in REPORTED.findall(done.stdout.replace(" - ", " "))}
    assert reported == wanted, done.stdout + done.stderr
