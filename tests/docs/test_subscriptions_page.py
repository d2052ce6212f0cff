"""What the page about subscriptions shows runs, and prints what the page says."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "subscriptions.md").read_text()
SCRIPTS = Path(sysconfig.get_path("scripts"))


def blocks(language: str) -> list[str]:
    """Contents of the fenced blocks of one language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Where the examples have run."""
    code = "\n".join(blocks("python"))
    (tmp_path / "example.py").write_text(code)
    done = subprocess.run(
        [sys.executable, "example.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert done.returncode == 0, done.stderr
    wanted = re.findall(r"^# (.*)$", code, re.MULTILINE)
    assert done.stdout.splitlines() == wanted
    return tmp_path


def test_the_examples_print_what_the_page_says_and_the_commands_work(home: Path) -> None:
    printed = []
    for line in blocks("sh")[0].splitlines():
        done = subprocess.run(
            shlex.split(f"{SCRIPTS}/{line}"),
            cwd=home,
            capture_output=True,
            text=True,
            check=False,
            timeout=50,
        )
        assert done.returncode == 0, done.stderr
        printed.append(done.stdout.splitlines())
    completed, whole, consumed = printed
    assert [line.split()[1] for line in completed[1:]] == ["run-Ann", "run-Bob", "run-Cem"]
    assert [json.loads(line) for line in whole] == [json.loads(line) for line in consumed]


@pytest.mark.parametrize("word", sorted(set(re.findall(r"--[a-z-]+", PAGE))))
def test_every_option_that_the_page_names_exists(word: str) -> None:
    done = subprocess.run(
        [SCRIPTS / "indelible", "tail", "--help"],
        capture_output=True,
        text=True,
        check=True,
        env={"COLUMNS": "200"},
    )
    assert word in done.stdout
