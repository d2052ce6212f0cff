"""What is handed over past the inbox is not found there as well, whenever a look is taken."""

from __future__ import annotations

from indelible.events.inbox.inbox import Command, Submitted
from indelible.remote.direct_handover import DirectHandover


def row(message_id: str) -> Submitted:
    return Submitted(1, Command(message_id, 0, "note-1", "actor.told", b"", ""), late=False)


ROWS = [row("a"), row("b")]


def test_what_is_handed_over_is_left_alone_until_it_is_let_go() -> None:
    direct = DirectHandover()
    direct.claim(["a"])
    with direct.polling():
        assert direct.unclaimed(ROWS) == ROWS[1:]
    direct.release(["a", 7, "no such"])
    with direct.polling():
        assert direct.unclaimed(ROWS) == ROWS


def test_what_is_let_go_while_a_look_reads_the_rows_is_left_to_the_next_look() -> None:
    direct = DirectHandover()
    with direct.polling():
        direct.claim(["a"])  # its row is there, and read, ...
        direct.release(["a"])  # ... and deleted before the look asks
        assert direct.unclaimed(ROWS) == ROWS[1:]
    with direct.polling():
        assert direct.unclaimed(ROWS) == ROWS
