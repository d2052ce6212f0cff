"""Takes the next group from the queue, within the limits of a group."""

from __future__ import annotations

from collections import deque

from indelible.events.store import Append

GROUP_EVENTS = 1_000
"""Events and messages of one group: by then a commit's fixed cost is below a microsecond each."""

GROUP_BYTES = 1024 * 1024
"""Bytes of payloads, blobs and messages of one group: no append waits long for a large value."""


def collect(queue: deque[Append]) -> list[Append]:
    """Take the next group from ``queue``: at least one append, and only whole appends."""
    group = [queue.popleft()]
    events, size = _measure(group[0])
    while queue:
        more_events, more_size = _measure(queue[0])
        events += more_events
        size += more_size
        if events > GROUP_EVENTS or size > GROUP_BYTES:
            break
        group.append(queue.popleft())
    return group


def _measure(append: Append) -> tuple[int, int]:
    """Return the events and bytes of ``append``; a malformed append is refused later, not here.

    A message counts as one event, since it is one row too.
    """
    size = 0
    try:
        for event in append.events:
            size += len(event.payload)
        if append.blobs:
            size += sum(len(content) for _, content in append.blobs)
        if not append.commands:
            return len(append.events), size
        size += sum(len(command.body) for command in append.commands)
        return len(append.events) + len(append.commands), size
    except (TypeError, ValueError, AttributeError):
        return 1, size
