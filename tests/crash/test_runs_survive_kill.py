"""kill -9 at named places and at random moments: accepted runs end, no completed step again."""

from __future__ import annotations

import os
import random
import signal
from pathlib import Path

import pytest

from crash.scene import Scene

RUNS = 12
FULL = os.environ.get("INDELIBLE_FAULTS") == "1"
PLACES = ("commit.begun", "commit.before", "commit.after", "ack.after", "step.before", "step.after")
KILLS = 40 if FULL else 3


def finish(scene: Scene) -> None:
    before = scene.completed()
    child = scene.child(0)
    code, heard = scene.end_of(child)
    assert code == 0, heard
    after = scene.completed()
    again = {key: (count, after[key]) for key, count in before.items() if after[key] != count}
    assert not again, f"completed steps ran again: {again}"
    scene.check_the_end()


@pytest.mark.parametrize("place", PLACES)
def test_a_process_killed_at_a_named_place_is_continued(place: str, tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    rng = random.Random(place)  # noqa: S311 - when to kill
    for count in rng.sample(range(1, 60), KILLS):
        before = scene.completed()
        code, _ = scene.end_of(scene.child(RUNS, place, count))
        assert code in (-signal.SIGKILL, 0)
        after = scene.completed()
        assert all(after[key] == number for key, number in before.items())
    finish(scene)


@pytest.mark.timeout(600)  # many processes: a busy machine takes its time, and nothing hangs
def test_a_process_killed_at_random_moments_is_continued(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    kills = 0
    rng = random.Random(7)  # noqa: S311 - when to kill
    while kills < 12 * KILLS:
        before = scene.completed()
        child = scene.child(RUNS)
        scene.listen(child, lines=rng.randrange(1, 2 * RUNS))
        child.kill()
        kills += scene.end_of(child)[0] == -signal.SIGKILL
        after = scene.completed()
        assert all(after[key] == number for key, number in before.items())
    finish(scene)
