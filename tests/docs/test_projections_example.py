"""The page about views says what the example does, and the example runs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "projections.md").read_text()
EXAMPLE = ROOT / "examples" / "projections" / "sales.py"


def run(url: str) -> str:
    command = [sys.executable, "-W", "error", str(EXAMPLE), url]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=50)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_example_runs_twice_and_says_the_same(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/sales.db"
    assert run(url) == "ada: 52.50\n"
    assert run(url) == "ada: 52.50\n"


def test_the_example_runs_on_postgres(postgres_url: str) -> None:
    assert run(postgres_url) == "ada: 52.50\n"


def test_every_piece_of_code_on_the_page_is_the_examples() -> None:
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert len(blocks) > 3
    assert [block for block in blocks if block not in EXAMPLE.read_text()] == []
