"""Messages of one actor in order, and the flag that lets one thread at a time handle them.

A message is never lost: it is handled, refused to its sender, or returned by :meth:`Mailbox.close`.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

from indelible.errors import MailboxFullError
from indelible.forks import process_wide

ACTIVATION = 64  # messages handled at once before other actors get their turn

# One lock for all mailboxes, taken only when one closes: saves memory for each mailbox.
# Re-entrant, because a finaliser may send a message at any point.
_closing = process_wide(threading.RLock())

# One lock to count the commands of all mailboxes, for the same reasons.
_counting = process_wide(threading.RLock())


class Mailbox:
    """A queue with a bound for commands only; only the thread that holds the flag takes from it.

    After a put, the sender calls :meth:`try_acquire`; if it gets the flag, no thread handles this
    mailbox, and the sender must run or schedule the actor.  The thread that holds the flag takes
    messages, then calls :meth:`release`.
    """

    __slots__ = ("_bound", "_commands", "_flag", "_messages", "closed")

    def __init__(self, bound: int | None = None) -> None:
        """``bound`` is how many commands may wait; ``None`` means no limit."""
        self._messages: deque[Any] = deque()
        self._flag = threading.Lock()
        self._bound = bound
        self._commands = 0  # commands that wait; counted only if there is a bound
        self.closed = False

    def __len__(self) -> int:
        """How many messages wait."""
        return len(self._messages)

    def put(self, message: Any, /) -> bool:
        """Add a message that does not count against the bound; never blocks.

        Returns:
            False if the mailbox is closed: ``message`` is not in it.
        """
        if self.closed:
            return False
        self._messages.append(message)
        return not self.closed or self._taken_by_close(message)

    def put_command(self, message: Any, owner: object = "the actor") -> bool:
        """Add a message that counts against the bound; never blocks.

        Returns:
            False if the mailbox is closed: ``message`` is not in it.

        Raises:
            MailboxFullError: The bound is reached; the error names ``owner``.
        """
        if self._bound is None:
            return self.put(message)
        with _counting:
            if self._commands >= self._bound:
                raise MailboxFullError(str(owner), self._bound)
            self._commands += 1
        return self.put(_Counted(message))

    def try_acquire(self) -> bool:
        """Take the flag, if it is free."""
        return self._flag.acquire(blocking=False)

    def take(self) -> Any:
        """Remove and return the oldest message; the caller holds the flag.

        Raises:
            IndexError: There is no message.
        """
        message = self._messages.popleft()
        if type(message) is _Counted:
            with _counting:
                self._commands -= 1
            return message.message
        return message

    def take_some(self, most: int) -> list[Any]:
        """Remove and return the oldest messages, at most ``most``; the caller holds the flag."""
        taken: list[Any] = []
        waiting = self._messages
        take = waiting.popleft if self._bound is None else self.take
        while waiting and len(taken) < most:
            taken.append(take())
        return taken

    def release(self) -> bool:
        """Release the flag.

        Returns:
            True if messages wait and the caller holds the flag again: it must run or schedule.
        """
        self._flag.release()  # first, so that a sender that puts a message now finds it free
        return bool(self._messages) and self._flag.acquire(blocking=False)

    def close(self) -> list[Any]:
        """Refuse all messages from now on and return the waiting messages, oldest first.

        The caller holds the flag, and never releases it.
        """
        with _closing:
            self.closed = True
            left = self._pop_all()
        return [item.message if type(item) is _Counted else item for item in left]

    def _taken_by_close(self, message: object) -> bool:
        """Remove ``message`` from the closed mailbox; True if :meth:`close` has returned it."""
        with _closing:
            late = self._pop_all()
            others = [item for item in late if item is not message]
            self._messages.extend(others)  # each is removed by the thread that put it
        return len(others) == len(late)

    def _pop_all(self) -> list[Any]:
        items = []
        while self._messages:
            items.append(self._messages.popleft())
        return items


class _Counted:
    __slots__ = ("message",)

    def __init__(self, message: object) -> None:
        self.message = message
