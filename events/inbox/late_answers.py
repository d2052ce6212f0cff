"""Late answers: a command is handled now, and a later append answers it.

The append that handles the command notes its key in the command's row, so that a crash loses no
asker.  A late answer is for all rows of its stream that wait for its
key when its append is committed, in the order of the appends.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from indelible.events.inbox.inbox import TEXT_LIMIT
from indelible.events.model.stream_names import is_text


class AwaitsReply(NamedTuple):
    """A command that has been handled, and whose sender waits for a late answer.

    Attributes:
        message_id: Of the command.
        key: Of the :class:`LateAnswer` to the same stream.
    """

    message_id: str
    key: str


class LateAnswer(NamedTuple):
    """The encoded answer to all commands for one stream that wait for ``key``."""

    key: str
    answer: bytes


Late = AwaitsReply | LateAnswer


def check_late(late: Late) -> None:
    """Refuse an entry for which the database would refuse the append and its whole group.

    Raises:
        ValueError: A database could refuse it.
    """
    key = late.key
    if not is_text(key) or not 0 < len(key) <= TEXT_LIMIT:
        raise ValueError(f"the key of a late answer {key!a:.80}: give text without NUL")
    if type(late) is LateAnswer and not isinstance(late.answer, bytes):
        raise ValueError(f"the late answer for {key!a:.80}: give bytes")


class LateRows:
    """The rows that a group changes for late answers; made from its appends, in their order.

    The database first writes :meth:`answers`, which are for rows of earlier groups, and then
    :meth:`awaiting`.

    >>> rows = LateRows()
    >>> rows.add("a-1", [AwaitsReply("m1", "k"), LateAnswer("k", b"yes"), AwaitsReply("m2", "k")])
    [('m1', b'yes')]
    >>> list(rows.answers()), list(rows.awaiting())
    ([('a-1', 'k', b'yes')], [('m2', 'k')])
    """

    def __init__(self) -> None:
        """Start empty."""
        self._answers: dict[tuple[str, str], bytes] = {}
        self._awaiting: dict[tuple[str, str], list[str]] = {}

    def add(self, stream: str, entries: Sequence[Late]) -> list[tuple[str, bytes]]:
        """Add the entries of an append; return the answers to commands of this same group."""
        answered: list[tuple[str, bytes]] = []
        for entry in entries:
            place = stream, entry.key
            if isinstance(entry, LateAnswer):
                ids = self._awaiting.pop(place, ())
                answered += [(message_id, entry.answer) for message_id in ids]
                self._answers.setdefault(place, entry.answer)  # the first answer is kept
            else:
                self._awaiting.setdefault(place, []).append(entry.message_id)
        return answered

    def answers(self) -> Iterator[tuple[str, str, bytes]]:
        """(stream, key, answer) for the rows that waited before the group."""
        return ((*place, answer) for place, answer in self._answers.items())

    def awaiting(self) -> Iterator[tuple[str, str]]:
        """(message id, key) of the commands that wait from now on."""
        return ((id_, key) for (_, key), ids in self._awaiting.items() for id_ in ids)
