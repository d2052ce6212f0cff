"""Waiting for something new in an inbox: no wake is lost, whenever it comes."""

from __future__ import annotations

import threading

from indelible.events.inbox.inbox import InboxWatcher


class TooLate(threading.Event):
    """Is set at the very moment at which a wait has timed out."""

    def wait(self, timeout: float | None = None) -> bool:
        if self.is_set():
            return True
        self.set()
        return False


def test_a_wake_at_the_moment_of_the_time_out_is_not_lost() -> None:
    watcher = InboxWatcher(lambda: False, busy=1, idle=1)
    watcher._woken = TooLate()
    assert not watcher.wait(0)
    assert watcher.wait(0)


def test_a_wake_counts_once() -> None:
    watcher = InboxWatcher(lambda: False, busy=1, idle=1)
    watcher.wake()
    watcher.wake()
    assert watcher.wait(None)
    assert not watcher.wait(0)


def test_what_has_changed_is_worth_a_look_without_a_wake() -> None:
    watcher = InboxWatcher(lambda: True, busy=1, idle=1)
    assert watcher.wait(0)
