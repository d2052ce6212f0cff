"""The root folders, the import package and the wheel are the same thing."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import indelible
import indelible.errors

ROOT = Path(__file__).parents[2]
FOLDERS = ("actors", "events", "migrations", "projections")
CHECKOUT = (ROOT / ".git").exists() or (ROOT / "src/indelible/actors").exists()


@pytest.fixture(scope="module")
def wheel_names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Files of a freshly built wheel, without its metadata."""
    target = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    [wheel] = target.glob("*.whl")
    return {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}


def files_below(folder: Path) -> set[Path]:
    """Files that git would keep, links to folders not followed."""
    return {
        path
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc"
    }


@pytest.mark.skipif(not CHECKOUT, reason="an unpacked sdist has no links")
@pytest.mark.parametrize("folder", FOLDERS)
def test_link_points_at_the_root_folder(folder: str) -> None:
    link = ROOT / "src" / "indelible" / folder
    assert link.is_symlink(), "see CONTRIBUTING.md: git config core.symlinks true"
    assert link.resolve() == ROOT / folder


def test_wheel_tables_name_the_same_folders() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wheel = settings["tool"]["hatch"]["build"]["targets"]["wheel"]

    assert wheel["force-include"] == {f: f"indelible/{f}" for f in FOLDERS}
    assert wheel["exclude"] == [f"src/indelible/{f}" for f in FOLDERS]


def test_wheel_holds_every_file_once_under_one_package(wheel_names: set[str]) -> None:
    domain = {f"indelible/{p.relative_to(ROOT)}" for f in FOLDERS for p in files_below(ROOT / f)}
    shell = {str(p.relative_to(ROOT / "src")) for p in files_below(ROOT / "src")}
    links = tuple(f"indelible/{f}/" for f in FOLDERS)

    assert wheel_names == domain | {name for name in shell if not name.startswith(links)}


def test_wheel_carries_its_migrations_and_its_type_marker(wheel_names: set[str]) -> None:
    assert {
        "indelible/py.typed",
        "indelible/migrations/env.py",
        "indelible/migrations/script.py.mako",
        "indelible/migrations/versions/__init__.py",
    } <= wheel_names
    assert any(name.startswith("indelible/migrations/versions/v0001_") for name in wheel_names)


def test_no_module_is_imported_twice() -> None:
    assert indelible.IndelibleError is indelible.errors.IndelibleError
    ours = {
        name
        for name, module in sys.modules.items()
        if name.split(".")[0] in FOLDERS
        and str(getattr(module, "__file__", None)).startswith(str(ROOT))
    }
    assert not ours
