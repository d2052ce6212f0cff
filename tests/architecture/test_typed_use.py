"""Type checkers accept the right use of what users get, and refuse its misuse."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from pages import ROOT, Page

USE = Path(__file__).with_name("typed_use.py")
BIN = Path(sys.executable).parent
REPORTED = re.compile(r"(\w+)\.py:(\d+)\b.*\berror: ")
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
UNTYPED = "# mypy: allow-untyped-defs, allow-untyped-calls\n"  # documents leave annotations out


def test_mypy_refuses_the_lines_that_misuse_something_and_no_others(tmp_path: Path) -> None:
    check(tmp_path, BIN / "mypy", "--strict", "--python-executable", sys.executable)


def test_pyright_refuses_the_lines_that_misuse_something_and_no_others(tmp_path: Path) -> None:
    check(tmp_path, BIN / "pyright", "--pythonpath", sys.executable)


def check(folder: Path, *checker: str | Path) -> None:
    """Compare what ``checker`` reports with what is marked; ``folder`` has no settings of ours."""
    examples = written_examples(folder)
    assert len(examples) >= 3
    lines = USE.read_text().splitlines()
    wanted = {(USE.stem, i) for i, line in enumerate(lines, 1) if line.endswith("# error")}
    done = subprocess.run(
        [*checker, USE, *examples], cwd=folder, capture_output=True, text=True, check=False
    )
    found = REPORTED.findall(done.stdout.replace(" - ", " "))
    assert {(file, int(line)) for file, line in found} == wanted, done.stdout + done.stderr


def written_examples(folder: Path) -> list[Path]:
    """The examples of our documents that define classes with ours as bases, each in a file."""
    files = []
    for document in DOCUMENTS:
        for number, code in enumerate(Page(str(document.relative_to(ROOT))).blocks("python")):
            if re.search(r"^class ", code, re.MULTILINE) and "import" in code:
                name = f"{document.stem}_{number}".replace("-", "_").lower()
                files.append(folder / f"{name}.py")
                files[-1].write_text(UNTYPED + code)
    return files
