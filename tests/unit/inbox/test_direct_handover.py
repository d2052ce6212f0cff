"""What is handed over past the inbox is not found there as well, whenever a look is taken."""

from __future__ import annotations

from indelible.events.inbox.inbox import Command, Submitted
from indelible.remote.direct_handover import DirectHandover


def row(message_id: str) -> Submitted:
    return Submitted(1, Command(message_id, 0, "note-1", "actor.told", b"", ""), late=False)


ROWS = [row("a"), row("b")]


def test_what_is_handed_over_is_left_alone_until_it_is_let_go() -> None:
    by_hand = DirectHandover()
    by_hand.take(["a"])
    with by_hand.looking():
        assert by_hand.others(ROWS) == ROWS[1:]
    by_hand.let_go(["a", 7, "no such"])
    with by_hand.looking():
        assert by_hand.others(ROWS) == ROWS


def test_what_is_let_go_while_a_look_reads_the_rows_is_left_to_the_next_look() -> None:
    by_hand = DirectHandover()
    with by_hand.looking():
        by_hand.take(["a"])  # its row is there, and read, ...
        by_hand.let_go(["a"])  # ... and deleted before the look asks
        assert by_hand.others(ROWS) == ROWS[1:]
    with by_hand.looking():
        assert by_hand.others(ROWS) == ROWS
