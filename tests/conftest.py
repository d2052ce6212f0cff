"""Settings that all tests share."""

from __future__ import annotations

import os
import signal
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["session_files", "postgres_server", "remembered_migrations", "little_room"]

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Started in the background of a script: the processes that tests start must hear Ctrl-C still.
    signal.signal(signal.SIGINT, signal.default_int_handler)

# No deadline and no speed check: a test says what is right, never how long it took.
settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# CI draws the same examples every time, so that a red run can be repeated; nothing is remembered.
settings.register_profile(
    "ci", settings.get_profile("default"), derandomize=True, database=None, print_blob=True
)
# `make faults`: twenty times as many.
settings.register_profile(
    "faults", settings.get_profile("default"), max_examples=2_000, print_blob=True
)

if os.environ.get("INDELIBLE_FAULTS") == "1":
    settings.load_profile("faults")
elif os.environ.get("CI"):
    settings.load_profile("ci")
else:
    settings.load_profile("default")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Escape half surrogate pairs in what was captured: a worker sends its reports as UTF-8."""
    report = yield
    report.sections = [
        (name, text.encode(errors="backslashreplace").decode()) for name, text in report.sections
    ]
    return report


@pytest.fixture(params=["sqlite", "postgres"])
def each_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a new store, on each database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/store.db"
    return str(request.getfixturevalue("postgres_url"))
