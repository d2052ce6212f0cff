"""Files stay small, the library prints nothing, and no address of a package index slips in."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LIBRARY = ("actors", "events", "migrations", "projections", "src/indelible")
CODE = (*LIBRARY, "benchmarks", "examples", "tests")
LIMIT = 400  # lines; STYLE: split by phase or by role
INDEX = re.compile(
    r"https?://[^\s/\"']*(?:artifactory|conda|devpi|mirror|nexus|npm|pypi|pythonhosted|registry)"
    r"|--(?:extra-)?index-url|--find-links|--trusted-host",
    re.IGNORECASE,
)


def tracked_files() -> list[Path]:
    """Files that are committed or would be."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607 - git is where the developer's PATH has it
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listing.returncode:  # no repository: a copy of the tree, which holds nothing else
        skipped = {".venv", ".hypothesis", ".pytest_cache", "__pycache__"}
        return [p for p in ROOT.rglob("*") if p.is_file() and not skipped & set(p.parts)]
    names = (ROOT / name for name in listing.stdout.decode().split("\0") if name)
    return [path for path in names if path.is_file()]


def test_no_file_is_longer_than_the_limit() -> None:
    files = {file for folder in CODE for file in (ROOT / folder).rglob("*.py")}
    sizes = {file: len(file.read_text().splitlines()) for file in files}
    assert not {str(f.relative_to(ROOT)): size for f, size in sizes.items() if size > LIMIT}


def test_the_library_prints_nothing() -> None:
    prints = [
        f"{file.relative_to(ROOT)}:{node.lineno}"
        for folder in LIBRARY
        for file in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
    ]
    assert not prints


def test_every_module_opens_with_a_docstring() -> None:
    silent = [
        str(file.relative_to(ROOT))
        for folder in LIBRARY
        for file in (ROOT / folder).rglob("*.py")
        if ast.get_docstring(ast.parse(file.read_text())) is None
    ]
    assert not silent


def test_every_error_lives_in_the_one_place() -> None:
    elsewhere = [
        f"{file.relative_to(ROOT)}:{node.lineno} {node.name}"
        for folder in LIBRARY
        for file in (ROOT / folder).rglob("*.py")
        if "errors" not in file.parts
        and "testing" not in file.parts  # a fault that a test injects is no error of ours
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
        for base in node.bases
        if isinstance(base, ast.Name) and base.id.endswith(("Error", "Exception"))
    ]
    assert not elsewhere


@pytest.mark.parametrize("name", ["uv.lock", "poetry.lock", "package-lock.json"])
def test_no_lock_file_is_kept(name: str) -> None:
    assert name not in {file.name for file in tracked_files()}


def test_no_address_of_a_package_index_is_kept() -> None:
    found = []
    for file in tracked_files():
        if file == Path(__file__).resolve() or file.suffix in {".gz", ".msgpack"}:
            continue
        for number, line in enumerate(file.read_text().splitlines(), 1):
            if INDEX.search(line):
                found.append(f"{file.relative_to(ROOT)}:{number}")
    assert not found


def test_constraints_hold_exact_versions_and_nothing_else() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert pins
    assert [line for line in pins if not re.fullmatch(r"[\w.-]+==[\w.]+", line)] == []


def test_make_help_lists_every_target() -> None:
    text = (ROOT / "Makefile").read_text()
    [phony] = re.findall(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    described = re.findall(r"^([a-z-]+):.*## ", text, re.MULTILINE)
    targets = re.findall(r"^([a-z-]+):", text, re.MULTILINE)
    assert described == targets == phony.split()
