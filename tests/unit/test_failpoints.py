"""Failpoints do nothing until a test arms them, and then exactly what was armed."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from indelible.failpoints import NAMES, Failpoints


def test_an_unarmed_place_does_nothing() -> None:
    failpoints = Failpoints()
    for name in NAMES:
        failpoints.hit(name)
    assert not failpoints.armed


def test_an_armed_place_does_what_it_was_given_each_time() -> None:
    hits: list[str] = []
    failpoints = Failpoints({"commit.before": lambda: hits.append("before")})
    failpoints.hit("commit.before")
    failpoints.hit("commit.after")
    failpoints.hit("commit.before")
    assert failpoints.armed
    assert hits == ["before", "before"]


def test_what_an_action_raises_reaches_the_place() -> None:
    def fail() -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        Failpoints({"commit.before": fail}).hit("commit.before")


def test_a_name_that_no_place_carries_is_refused_with_those_that_exist() -> None:
    with pytest.raises(ValueError, match=r"no failpoint 'commit\.befor'; .*commit\.before"):
        Failpoints({"commit.befor": lambda: None})


def test_every_place_is_named_once() -> None:
    assert len(set(NAMES)) == len(NAMES)


def test_kill_at_ends_the_process_on_its_count() -> None:
    code = (
        "from indelible.failpoints import KillAt\n"
        "kill = KillAt(3)\n"
        "for i in range(9):\n    print(i, flush=True)\n    kill()\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert result.returncode == -signal.SIGKILL
    assert result.stdout.split() == [b"0", b"1", b"2"]
