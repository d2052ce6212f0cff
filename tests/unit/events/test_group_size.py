"""How much of the queue becomes one group: events, messages, and bytes of both."""

from __future__ import annotations

from collections import deque

from indelible.events.commit.group_size import GROUP_BYTES, GROUP_EVENTS, collect
from indelible.events.inbox.inbox import Command
from indelible.events.store import Append
from indelible.testing.contract.builders import some_events


def append(events: int, *bodies: bytes) -> Append:
    commands = [Command(f"m{n}", 0, "note-1", "said", body, "") for n, body in enumerate(bodies)]
    return Append("run-1", 0, some_events(events), lambda _a, _e: None, commands=commands)


def test_messages_count_as_events_do() -> None:
    queue = deque([append(1, b"", b""), append(GROUP_EVENTS - 3), append(1), append(1)])
    assert [len(collect(queue)), len(collect(queue))] == [2, 2]


def test_the_bytes_of_messages_count() -> None:
    half = bytes(GROUP_BYTES // 2)
    queue = deque([append(1, half), append(1, half), append(1), append(1)])
    assert [len(collect(queue)), len(collect(queue))] == [1, 3]


def test_a_large_append_is_a_group_of_its_own() -> None:
    queue = deque([append(1, bytes(2 * GROUP_BYTES)), append(1)])
    assert [len(collect(queue)), len(collect(queue))] == [1, 1]
