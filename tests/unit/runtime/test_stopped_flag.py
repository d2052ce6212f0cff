from __future__ import annotations

import threading

import pytest

from indelible.actors.runtime.stopped_flag import StoppedFlag


def test_it_behaves_as_an_event() -> None:
    flag = StoppedFlag()
    assert isinstance(flag, threading.Event)
    assert not flag.is_set()
    assert not flag.wait(0)
    flag.set()
    assert flag.is_set()
    assert flag.wait()
    flag.clear()
    assert not flag.is_set()
    assert not flag.wait(0.001)
    flag.set()
    assert flag.wait(0)


def test_a_set_that_comes_while_the_first_waiter_makes_the_event_is_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    flag = StoppedFlag()
    make = threading.Event

    def event() -> threading.Event:
        flag.set()
        return make()

    with monkeypatch.context() as patch:
        patch.setattr(threading, "Event", event)
        assert flag.wait(1)


@pytest.mark.usefixtures("frequent_switches")
def test_no_set_is_missed_by_waits_that_begin_with_it() -> None:
    for _ in range(1_000):
        flag = StoppedFlag()
        passed: list[bool] = []
        waiters = [
            threading.Thread(target=lambda flag=flag: passed.append(flag.wait(50)))  # noqa: B023
            for _ in range(2)
        ]
        for waiter in waiters:
            waiter.start()
        flag.set()
        for waiter in waiters:
            waiter.join()
        assert passed == [True, True]
