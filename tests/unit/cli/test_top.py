"""`indelible top`: pictures of a store at work, on a terminal and into a pipe."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from indelible import ActorSystem
from indelible.reports import Reporter
from indelible.testing.hold import Hold


@pytest.fixture
def busy(commands: Any) -> Iterator[ActorSystem]:
    """A system of this process that reports, and stands in the second step of its second run."""
    hold = Hold()
    with ActorSystem("sqlite:///indelible.db") as system, Reporter(system, "api"):
        system.register_step("now", lambda context, step: 1)
        system.register_step("stand", lambda context, step: hold())
        agent = system.workflow_agent("a")
        done = {"name": "short", "steps": [{"name": "one", "type": "now"}]}
        agent.start(done, run_id="r1").result(20)
        hold.close()
        steps = [{"name": "one", "type": "now"}, {"name": "two", "type": "stand"}]
        agent.start({"name": "long", "steps": steps}, run_id="r2")
        hold.wait()
        assert system.caught_up(20)
        yield system
        hold.open()


def test_one_picture_shows_processes_rates_and_the_runs_at_work(
    busy: ActorSystem, commands: Any
) -> None:
    result = commands.invoke("top", "--once", "--interval", "0.1")
    assert result.exit_code == 0
    text = result.stdout
    assert text.startswith("healthy")
    assert "runs/s" in text
    assert "steps/s; 1 run and 2 steps so far" in text
    assert f"{os.getpid()}@" in text
    assert "api" in text
    [line] = [line for line in text.splitlines() if line.startswith("r2")]
    assert line.split()[1:4] == ["long", "running", "1/2"]
    assert not [line for line in text.splitlines() if line.startswith("r1")]
    assert "\x1b" not in result.output
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize("width", [20, 40, 60, 80, 200])
def test_a_picture_fits_any_terminal_and_leaves_the_least_important_out(
    busy: ActorSystem, commands: Any, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    steps = [{"name": "one", "type": "stand"}]
    long = "01a21e54-a3f0-7000-8d06-367388770269"
    busy.workflow_agent("a").start({"name": "w", "steps": steps}, run_id=long)
    assert busy.caught_up(20)
    text = commands.invoke("top", "--once", "--interval", "0.1").stdout
    lines = text.splitlines()
    assert max(map(len, lines)) <= width
    titles = next(line.split() for line in lines if line.startswith("process"))
    assert titles[:2] == ["process", "state"]
    assert ("threads" in titles) == (len(titles) == 8)
    assert len(titles) == 8 or width < 200
    [run] = [line.split() for line in lines if line.startswith("01a21e54")]
    assert (run[0] == long) == (width > 40)
    assert [line for line in lines if line.startswith("r2")]


def test_into_a_pipe_pictures_follow_each_other_until_ctrl_c(
    busy: ActorSystem, commands: Any, wait_for: Callable[..., str]
) -> None:
    top = commands.start("top", "--interval", "0.1")
    for _ in range(3):
        assert "\x1b" not in wait_for(top.stdout, "steps/s")
    top.send_signal(signal.SIGINT)
    _, stderr = top.communicate(timeout=50)
    assert (top.returncode, stderr) == (0, "")


def test_on_a_terminal_the_picture_is_drawn_in_place(busy: ActorSystem, commands: Any) -> None:
    ours, theirs = pty.openpty()
    program = "from indelible.cli import main; main()"
    words = ["top", "--interval", "0.1"]
    top = subprocess.Popen(
        [sys.executable, "-c", program, *words],
        cwd=commands.home,
        env={**os.environ, "TERM": "xterm"},
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=subprocess.PIPE,
    )
    os.close(theirs)
    seen = b""
    while b"steps/s" not in seen:
        seen += os.read(ours, 4_096)
    assert b"\x1b[?1049h" in seen  # another screen, so that nothing of the terminal is lost
    top.send_signal(signal.SIGINT)
    while b"\x1b[?1049l" not in seen:
        seen += os.read(ours, 4_096)
    _, stderr = top.communicate(timeout=50)
    os.close(ours)
    assert (top.returncode, stderr) == (0, b"")


def test_rates_are_what_happened_between_two_pictures(busy: ActorSystem) -> None:
    from indelible.cli.render.top_screen import TopScreen, draw

    pictures = TopScreen(busy, 1.0)
    before = pictures._sample()
    steps = [{"name": f"s{i}", "type": "now"} for i in range(30)]
    busy.workflow_agent("a").start({"name": "many", "steps": steps}, run_id="r3").result(20)
    assert busy.caught_up(20)
    after = pictures._sample()._replace(at=before.at + 2.0)
    text = shown(draw(before, after))
    assert "0.5 runs/s, 15 steps/s; 2 runs and 32 steps so far" in text
    assert "rates come with the next picture" in shown(draw(None, after))


def test_a_store_that_fails_for_a_while_is_shown_and_looked_at_again(
    busy: ActorSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    from indelible.cli.render.top_screen import TopScreen
    from indelible.errors import StoreUnavailableError

    def fail() -> Any:
        raise StoreUnavailableError("connection lost")

    pictures = TopScreen(busy, 1.0)
    before = pictures._sample()
    with monkeypatch.context() as patch:
        patch.setattr(busy.store, "read_views", fail)
        picture, none = pictures._next(before)
        assert "connection lost" in shown(picture)
        assert none is None
    picture, again = pictures._next(none)
    assert "rates come with the next picture" in shown(picture)
    assert again is not None


def shown(picture: Any) -> str:
    from rich.console import Console

    console = Console(width=120, force_terminal=False)
    with console.capture() as capture:
        console.print(picture)
    return capture.get()
