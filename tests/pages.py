"""The fenced blocks of a documentation page, and how a reader would run them."""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).parents[1]
SCRIPTS = Path(sysconfig.get_path("scripts"))


class Page:
    """A page of the documentation, by its path from the root of the project."""

    def __init__(self, path: str) -> None:
        self.text = (ROOT / path).read_text()

    def blocks(self, language: str) -> list[str]:
        """Contents of the fenced blocks of one language, in order."""
        return re.findall(rf"^```{language}\n(.*?)^```$", self.text, re.MULTILINE | re.DOTALL)

    def write_files(self, folder: Path) -> list[str]:
        """Write each block that opens with ``# NAME.EXT`` to that file; the names."""
        names = []
        for content in re.findall(r"^```[a-z]+\n(.*?)^```$", self.text, re.MULTILINE | re.DOTALL):
            named = re.match(r"# (\S+\.(?:py|yaml|json))\n", content)
            if named:
                (folder / named[1]).write_text(content)
                names.append(named[1])
        return names


def printed_by(code: str) -> list[str]:
    """What a block says that it prints: the comments behind its calls of ``print``."""
    return re.findall(r"print\(.*\)  # (.*)$", code, re.MULTILINE)


def run(words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command as a reader would, in ``folder``; ``python`` and scripts are these here."""
    program = sys.executable if words[0] == "python" else str(SCRIPTS / words[0])
    return subprocess.run(
        [program, *words[1:]],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=55,
    )


def output_of(code: str, folder: Path) -> list[str]:
    """What a block prints, run as a program of its own in ``folder``."""
    done = run(["python", "-W", "error", "-c", code], folder)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()
