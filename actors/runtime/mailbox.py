"""Messages of one actor in order, and the flag that lets one thread at a time handle them.

A message is never lost: it is handled, refused to the one who put it, or handed to the closer.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

from indelible.errors import MailboxFullError
from indelible.forks import process_wide

ACTIVATION = 64  # messages handled at once before other actors get their turn

# Taken only around the end of a mailbox, by all of them, so that each is a lock smaller;
# re-entrant, because a finaliser may send a message at any place.
_closing = process_wide(threading.RLock())

# Taken to count commands, for the same reasons.
_counting = process_wide(threading.RLock())


class Mailbox:
    """An unbounded queue with a bound for commands; only the flag's holder takes from it.

    Who has put a message tries :meth:`try_acquire`; on success nobody handles this mailbox, and
    he must run or schedule the actor.  The holder takes messages, then calls :meth:`release`.
    """

    __slots__ = ("_bound", "_commands", "_flag", "_messages", "closed")

    def __init__(self, bound: int | None = None) -> None:
        """``bound`` is the number of commands that may wait; ``None`` is any number."""
        self._messages: deque[Any] = deque()
        self._flag = threading.Lock()
        self._bound = bound
        self._commands = 0  # that wait, if they are bounded
        self.closed = False

    def __len__(self) -> int:
        """Messages that wait."""
        return len(self._messages)

    def put(self, message: Any, /) -> bool:
        """Add a message that no bound concerns; never blocks.

        Returns:
            False if the mailbox is closed: ``message`` is not in it.
        """
        if self.closed:
            return False
        self._messages.append(message)
        return not self.closed or self._kept(message)

    def put_command(self, message: Any, owner: object = "the actor") -> bool:
        """Add a message that counts against the bound; never blocks.

        Returns:
            False if the mailbox is closed: ``message`` is not in it.

        Raises:
            MailboxFullError: As many commands wait as may; the error names ``owner``.
        """
        if self._bound is None:
            return self.put(message)
        with _counting:
            if self._commands >= self._bound:
                raise MailboxFullError(str(owner), self._bound)
            self._commands += 1
        return self.put(_Counted(message))

    def try_acquire(self) -> bool:
        """Take the flag, if nobody has it."""
        return self._flag.acquire(blocking=False)

    def take(self) -> Any:
        """Remove and return the oldest message; for the flag's holder.

        Raises:
            IndexError: No message waits.
        """
        message = self._messages.popleft()
        if type(message) is _Counted:
            with _counting:
                self._commands -= 1
            return message.message
        return message

    def take_some(self, most: int) -> list[Any]:
        """Remove and return the oldest messages, at most ``most``; for the flag's holder."""
        taken: list[Any] = []
        waiting = self._messages
        take = waiting.popleft if self._bound is None else self.take
        while waiting and len(taken) < most:
            taken.append(take())
        return taken

    def release(self) -> bool:
        """Give the flag back.

        Returns:
            True if messages wait and the flag is the caller's again: he must run or schedule.
        """
        self._flag.release()  # first, so that who puts a message now finds the flag free
        return bool(self._messages) and self._flag.acquire(blocking=False)

    def close(self) -> list[Any]:
        """Refuse all messages from now on and return those that wait, oldest first.

        For the flag's holder, who keeps the flag for ever.
        """
        with _closing:
            self.closed = True
            left = self._pop_all()
        return [item.message if type(item) is _Counted else item for item in left]

    def _kept(self, message: object) -> bool:
        """Take ``message`` out of the closed mailbox, unless somebody has it already."""
        with _closing:
            late = self._pop_all()
            others = [item for item in late if item is not message]
            self._messages.extend(others)  # each is taken out by the thread that put it
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
