"""The map of the folders is true, folders stay small, and a class name means one thing."""

from __future__ import annotations

import ast
import re
from collections import Counter, defaultdict
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
LIBRARY = ("actors", "events", "migrations", "projections", "src/indelible")
WIDEST = 13  # modules; STYLE: a folder holds about a dozen
WIDER: dict[str, str] = {}  # folders with more, and why

TWICE = {
    "Outcome": "a run's end as a typed mapping for type checkers, and the mapping that it is",
}
"""Names that two classes may have, and why."""


class Row(NamedTuple):
    """A row of the map.

    Attributes:
        folder: From the root.
        inside: Folders in it that the row names.
        start: The file at which to start reading.
    """

    folder: Path
    inside: list[Path]
    start: Path


def rows() -> list[Row]:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    cells = re.findall(r"^\| `(\S+)/` \| (.*) \| \[\S+\]\((\S+)\) \|$", text, re.MULTILINE)
    return [
        Row(
            Path(folder),
            [Path(folder, name) for name in re.findall(r"`(\w+)/`", what)],
            Path(start),
        )
        for folder, what, start in cells
    ]


def modules() -> list[Path]:
    """Every module of the library, from the root; the links to root folders are not followed."""
    found = [file.relative_to(ROOT) for folder in LIBRARY for file in (ROOT / folder).rglob("*.py")]
    return [file for file in found if not any((ROOT / up).is_symlink() for up in file.parents)]


def test_the_map_names_each_folder_once_and_no_other() -> None:
    named = Counter(folder for row in rows() for folder in (row.folder, *row.inside))
    assert len(named) > 50
    assert named == Counter({module.parent for module in modules()})


def test_a_row_of_the_map_starts_at_a_module_of_its_folder() -> None:
    known = set(modules())
    assert [r for r in rows() if r.start not in known or r.folder not in r.start.parents] == []


def test_a_path_that_the_page_names_exists() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    named = re.findall(r"`((?:[\w.-]+/)+[\w-]+\.[a-z]+)`", text)
    assert len(named) > 5
    assert [path for path in named if not (ROOT / path).is_file()] == []


def test_no_folder_holds_more_modules_than_a_reader_looks_through() -> None:
    held = Counter(str(module.parent) for module in modules() if module.stem != "__init__")
    assert {folder for folder, count in held.items() if count > WIDEST} == WIDER.keys()


def test_a_class_name_means_one_thing_in_the_library() -> None:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for module in modules():
        for node in ast.walk(ast.parse((ROOT / module).read_text())):
            if isinstance(node, ast.ClassDef):
                found[node.name.lstrip("_")].append(f"{module}:{node.lineno} {node.name}")
    assert {name: at for name, at in found.items() if len(at) > 1 and name not in TWICE} == {}
    assert [name for name in TWICE if len(found[name]) < 2] == []
