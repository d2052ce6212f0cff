from __future__ import annotations

import threading

import pytest

from indelible.actors.runtime.mailbox import Mailbox
from indelible.errors import MailboxFullError


def test_messages_come_out_in_the_order_they_went_in() -> None:
    mailbox = Mailbox()
    for number in range(5):
        assert mailbox.put(number)
    assert [mailbox.take() for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(IndexError):
        mailbox.take()


def test_only_one_gets_the_flag_until_it_is_released() -> None:
    mailbox = Mailbox()
    assert mailbox.try_acquire()
    assert not mailbox.try_acquire()
    assert not mailbox.release()
    assert mailbox.try_acquire()


def test_release_keeps_the_flag_for_messages_that_came_meanwhile() -> None:
    mailbox = Mailbox()
    assert mailbox.try_acquire()
    mailbox.put("late")
    assert mailbox.release()
    assert not mailbox.try_acquire()
    assert mailbox.take() == "late"
    assert not mailbox.release()


def test_commands_are_bounded_and_other_messages_are_not() -> None:
    mailbox = Mailbox(bound=2)
    for number in range(100):
        mailbox.put(number)
    assert mailbox.put_command("a", "agent-x")
    assert mailbox.put_command("b", "agent-x")
    with pytest.raises(MailboxFullError, match="agent-x has 2 commands waiting"):
        mailbox.put_command("c", "agent-x")
    assert mailbox.put("an acknowledgement")
    taken = [mailbox.take() for _ in range(len(mailbox))]
    assert taken == [*range(100), "a", "b", "an acknowledgement"]
    assert mailbox.put_command("d")  # two were taken, so there is room again


def test_the_bound_holds_under_concurrency() -> None:
    mailbox = Mailbox(bound=10)
    start = threading.Barrier(4)
    admitted: list[int] = []

    def put(sender: int) -> None:
        start.wait()
        for _ in range(1_000):
            try:
                mailbox.put_command(sender)
            except MailboxFullError:
                continue
            admitted.append(sender)

    threads = [threading.Thread(target=put, args=(sender,)) for sender in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(admitted) == len(mailbox) == 10


def test_a_closed_mailbox_hands_out_what_waits_and_refuses_the_rest() -> None:
    mailbox = Mailbox(bound=5)
    mailbox.put("a")
    mailbox.put_command("b")
    assert mailbox.close() == ["a", "b"]
    assert not mailbox.put("c")
    assert not mailbox.put_command("d")
    assert len(mailbox) == 0


@pytest.mark.usefixtures("frequent_switches")
def test_a_message_that_races_with_the_close_is_either_handed_out_or_refused() -> None:
    for _ in range(500):
        mailbox = Mailbox()
        start = threading.Barrier(4)
        accepted: list[tuple[int, int]] = []

        def put(sender: int, mailbox: Mailbox = mailbox, start: threading.Barrier = start) -> None:
            start.wait()
            for number in range(20):
                message = (sender, number)
                if mailbox.put(message):
                    accepted.append(message)  # noqa: B023 - this round's

        threads = [threading.Thread(target=put, args=(sender,)) for sender in range(3)]
        for thread in threads:
            thread.start()
        start.wait()
        left = mailbox.close()
        for thread in threads:
            thread.join()
        assert sorted(left) == sorted(accepted)
        assert len(mailbox) == 0


def test_a_message_put_just_before_the_release_is_seen() -> None:
    mailbox = Mailbox()
    flag = mailbox._flag

    class Flag:
        def acquire(self, *, blocking: bool) -> bool:
            return flag.acquire(blocking=blocking)

        def release(self) -> None:
            mailbox.put("late")
            assert not mailbox.try_acquire()  # who put it leaves it to the holder
            flag.release()

    assert mailbox.try_acquire()
    mailbox._flag = Flag()  # type: ignore[assignment]
    assert mailbox.release()
    assert mailbox.take() == "late"


def test_a_message_put_when_the_closer_has_just_taken_the_last_is_refused() -> None:
    mailbox = Mailbox()
    accepted: list[bool] = []

    class Messages(type(mailbox._messages)):  # type: ignore[misc]
        def __bool__(self) -> bool:
            waiting = len(self) > 0
            if not waiting and not accepted:
                accepted.append(mailbox.put("late"))
            return waiting

    mailbox._messages = Messages(["a"])
    assert mailbox.close() == ["a"]
    assert accepted == [False]
    assert len(mailbox) == 0


class Racing(Mailbox):
    """Closes exactly between the two looks that a put takes."""

    __slots__ = ("left", "race")

    def __init__(self, *, hand_out: bool) -> None:
        super().__init__()
        self.race = True
        self.left: list[object] | None = None
        mailbox = self

        class Messages(type(self._messages)):  # type: ignore[misc]
            def append(self, item: object) -> None:
                if not mailbox.race:
                    super().append(item)
                    return
                mailbox.race = False
                if hand_out:
                    super().append(item)
                    mailbox.left = mailbox.close()
                else:
                    mailbox.left = mailbox.close()
                    super().append(item)

        self._messages = Messages()


def test_a_message_that_the_closer_got_counts_as_put() -> None:
    mailbox = Racing(hand_out=True)
    assert mailbox.put("message")
    assert mailbox.left == ["message"]


def test_a_message_that_the_closer_missed_is_refused() -> None:
    mailbox = Racing(hand_out=False)
    assert not mailbox.put("message")
    assert mailbox.left == []
    assert len(mailbox) == 0
