"""What the README tells a reader to type works, and CI types the same."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import signal
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from indelible.actors.workflow.definition.compile import compile_definition
from indelible.assembly.step_registry import StepRegistry

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "README.md").read_text()
SCRIPTS = Path(sysconfig.get_path("scripts"))


def blocks(language: str) -> list[str]:
    """Contents of the fenced blocks of one language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def shell_lines(start: str) -> list[str]:
    """Lines of the shell blocks that begin so."""
    return [line for block in blocks("sh") for line in block.splitlines() if line.startswith(start)]


def run_command(line: str, where: Path) -> subprocess.CompletedProcess[str]:
    """Run an `indelible` line with this environment's scripts."""
    return subprocess.run(
        shlex.split(line.replace(".venv/bin/", f"{SCRIPTS}/")),
        cwd=where,
        capture_output=True,
        text=True,
        check=False,
        timeout=55,
        stdin=subprocess.DEVNULL,
    )


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A place with the examples and no library beside them."""
    shutil.copytree(
        ROOT / "examples", tmp_path / "examples", ignore=shutil.ignore_patterns("__pycache__")
    )
    return tmp_path


def test_the_first_two_commands_are_one_line_each_and_need_only_python() -> None:
    commands = [block.strip() for block in blocks("sh")[:2]]
    assert all("\n" not in command for command in commands)
    assert all(command.startswith("python3 -m venv .venv && ") for command in commands)
    run, test = commands
    assert ".venv/bin/indelible run examples/flights/flights.yaml" in run
    assert ".venv/bin/pytest -n" in test


def test_the_run_command_upgrades_nothing_and_both_pin_their_versions() -> None:
    run, test = shell_lines("python3 -m venv")
    assert "-c constraints.txt" in run
    assert "-c constraints.txt" in test
    # --group needs pip 25.1, which Python 3.11 does not bring
    assert test.index("install -q -U pip") < test.index("--group dev")


def test_ci_runs_the_readme_test_command() -> None:
    script = (ROOT / ".ci" / "run").read_text()
    [pattern] = re.findall(r"command=\$\(grep -- '(.*)' README\.md\)", script)
    matching = [line for line in TEXT.splitlines() if pattern in line]
    assert matching == [blocks("sh")[1].strip()]
    assert 'bash -euo pipefail -c "$command"' in script


def test_the_run_command_runs_the_flights(checkout: Path) -> None:
    line = shell_lines("python3 -m venv")[0].split(" && ")[-1]
    result = run_command(line, checkout)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "27,004 flights" in result.stdout


def test_the_run_that_is_killed_and_started_again_finishes(checkout: Path) -> None:
    killed, *others = shell_lines(".venv/bin/indelible")
    assert "--crash-after" in killed
    assert run_command(killed, checkout).returncode == -signal.SIGKILL
    for line in others:
        result = run_command(line, checkout)
        assert result.returncode == 0, f"{line}\n{result.stdout}{result.stderr}"
    shown = json.loads(run_command(".venv/bin/indelible show january --json", checkout).stdout)
    before = ["load", "extract/ewr", "extract/jfk", "extract/lga", "clean"]
    assert [step["path"] for step in shown["steps"]][:5] == before
    assert [step["attempts"] for step in shown["steps"]][:5] == [1] * 5


def test_the_definition_in_yaml_compiles() -> None:
    [text] = blocks("yaml")
    types = StepRegistry({"default": "sqlite://"}, {}).types
    assert compile_definition(text, types).steps_total == 3


def test_every_command_in_the_table_exists() -> None:
    table = re.findall(r"^\| `indelible (\w+)", TEXT, re.MULTILINE)
    result = run_command(".venv/bin/indelible --help", ROOT)
    assert table
    assert [name for name in table if not re.search(rf"\b{name}\b", result.stdout)] == []


def test_the_library_example_prints_what_it_says_and_does_so_again(tmp_path: Path) -> None:
    code = blocks("python")[0]
    wanted = re.findall(r"print\(.*\)  # (.*)$", code, re.MULTILINE)
    (tmp_path / "example.py").write_text(code)
    for _ in range(2):
        result = subprocess.run(
            [sys.executable, "example.py"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=55,
        )
        assert result.returncode == 0, result.stderr
        assert result.stdout.splitlines() == wanted


def test_the_actor_example_remembers_its_deposits(tmp_path: Path) -> None:
    (tmp_path / "example.py").write_text(blocks("python")[1])
    for printed in ("100 1\n", "200 2\n"):
        result = subprocess.run(
            [sys.executable, "example.py"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (result.returncode, result.stdout) == (0, printed), result.stderr


def test_the_library_example_is_about_ten_lines() -> None:
    code = blocks("python")[0]
    assert len([line for line in code.splitlines() if line.strip()]) <= 10


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\((?!https?:)([^)#]+)\)", TEXT))))
def test_links_lead_to_files(target: str) -> None:
    assert (ROOT / target).exists()
