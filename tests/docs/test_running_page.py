"""The page about running a service says what is so."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from indelible.cli.tasks import service_life
from indelible.service.process_rows import STALE
from indelible.service.survey import HEALTHY, UNHEALTHY, UNSERVED

PAGE = (Path(__file__).parents[2] / "docs" / "running.md").read_text()


def test_the_example_prints_what_it_says(tmp_path: Path) -> None:
    [code] = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    wanted = re.findall(r"print\(.*\)  # (.*)$", code, re.MULTILINE)
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=55,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines() == wanted


def test_the_exit_codes_are_those_of_the_commands() -> None:
    serve, health = (
        [
            int(code)
            for row in re.findall(r"^\| ([\d, ]+) \|", table, re.MULTILINE)
            for code in row.split(",")
        ]
        for table in PAGE.split("| exit code |")[1:]
    )
    assert {service_life.STOPPED, service_life.LEFT_BEHIND, service_life.STORE_LOST} < set(serve)
    assert health == [HEALTHY, UNHEALTHY, UNSERVED]


def test_a_report_is_stale_when_the_page_says_so() -> None:
    assert f"has not for {STALE:.0f} seconds" in " ".join(PAGE.split())
