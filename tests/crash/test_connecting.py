"""A fork meets no connection half made: it waits for those under way, though not for ever."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")

PROGRAM = """
import json, os, socket, stat, sys, threading
from indelible.events.connections import unfinished_connections as connecting
from indelible.events.connections import forked_connections as inherited

class Line:
    def __init__(self):
        self.pair = socket.socketpair()
    def fileno(self):
        return self.pair[0].fileno()
    def leads_somewhere(self):
        return stat.S_ISSOCK(os.fstat(self.fileno()).st_mode)

class Held:
    def __init__(self):
        self.begun, self.go_on = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=connecting.connecting, args=[self.connect])
        self.thread.start()
        self.begun.wait()
    def connect(self):
        self.line = Line()
        self.begun.set()
        self.go_on.wait()
        return self.line
    def end(self):
        self.go_on.set()
        self.thread.join()

def fails():
    raise ConnectionError

def status_of(child):
    number = os.fork()
    if number == 0:
        os._exit(child())
    return os.waitstatus_to_exitcode(os.waitpid(number, 0)[1])

def goes_on():
    connecting.FORK_WAITS = 600
    connecting.connecting(Line)
    return status_of(lambda: 7)

said = {}

connecting.FORK_WAITS = 0.01
held = Held()
said["stuck"] = status_of(goes_on)
held.end()

connecting.FORK_WAITS = 600
held = Held()
os.register_at_fork(before=held.go_on.set)
said["in the child"] = status_of(held.line.leads_somewhere)
said["in the parent"] = held.line.leads_somewhere()
held.end()

try:
    connecting.connecting(fails)
except ConnectionError:
    said["failed"] = status_of(lambda: 7)

json.dump(said, sys.stdout)
"""


@pytest.fixture(scope="module")
def said() -> dict[str, int]:
    """What the program has come to."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    said: dict[str, int] = json.loads(done.stdout)
    return said


def test_a_fork_waits_for_a_connection_which_leads_nowhere_in_its_child(
    said: dict[str, int],
) -> None:
    assert (said["in the child"], said["in the parent"]) == (False, True)


def test_a_fork_goes_on_without_a_connection_that_takes_for_ever(said: dict[str, int]) -> None:
    assert said["stuck"] == 7


def test_a_fork_does_not_wait_for_a_connection_that_has_failed(said: dict[str, int]) -> None:
    assert said["failed"] == 7
