"""Who owns a store: a kernel lock on a file beside the database, freed the moment its holder dies.

Keeps invariant 3 on one host.  The lock is the truth; what the file says is for people.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from indelible.clock import Clock
from indelible.errors import StoreNotFoundError, StoreOwnedError, StoreReadOnlyError
from indelible.events.owners import Owner

_LONGEST = 4_096  # bytes of the file that are read


def this_process(name: str, clock: Clock) -> Owner:
    """This process, from now on."""
    return Owner(name, socket.gethostname(), os.getpid(), clock.now())


def who_owns(path: Path) -> Owner | None:
    """The process that holds the lock at ``path``, as its file says and nobody contradicts.

    The lock itself is left alone: trying it would be in the way of a process that begins.
    """
    try:
        file = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        said = _read(file)
    finally:
        os.close(file)
    gone = said.host == socket.gethostname() and not _is_alive(said.pid)
    return None if not said.since or gone else said


def _is_alive(pid: int) -> bool:
    if sys.platform == "win32":  # there os.kill() would end the process
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # another user's
    return True


class OwnerLock:
    """Held by one process at a time, and by one store in it; no thread may wait for it."""

    def __init__(self, path: Path, url: str) -> None:
        """``path`` is the lock file; nothing is touched."""
        self._path = path
        self._url = url
        self._file: int | None = None

    def acquire(self, owner: Owner) -> None:
        """Take the lock and write down ``owner``.

        The file is closed on exec; a child made by fork must call :meth:`drop`.

        Raises:
            StoreOwnedError: Another process has it, or another store of this process.
            StoreNotFoundError: There is no such directory.
            StoreReadOnlyError: The file cannot be made or written here.
        """
        try:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise StoreNotFoundError(self._url) from error
        except OSError as error:
            why = f"{self._path}: {error.strerror}"
            raise StoreReadOnlyError(self._url, why) from error
        try:
            if not _try_lock(file):
                raise self._taken(_read(file))
            os.ftruncate(file, 0)
            os.lseek(file, 0, os.SEEK_SET)
            os.write(file, json.dumps(msgspec.to_builtins(owner)).encode())
        except BaseException:
            os.close(file)
            raise
        self._file = file

    def release(self) -> None:
        """Let go; may be called twice.  The file stays: deleting it would race the next owner."""
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):
                os.ftruncate(file, 0)
            os.close(file)

    def drop(self) -> None:
        """In a forked child: close its copy, so that the lock dies with its real holder."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)

    def _taken(self, said: Owner) -> StoreOwnedError:
        at = datetime.fromtimestamp(said.since / 1_000_000, UTC).isoformat(" ", "seconds")
        return StoreOwnedError(
            self._url,
            owner=said.owner,
            host=said.host,
            pid=said.pid,
            since=said.since,
            at=at if said.since else "just now",
        )


def _read(file: int) -> Owner:
    """What the holder wrote, which it may be doing at this moment."""
    said: Any
    try:
        os.lseek(file, 0, os.SEEK_SET)
        said = json.loads(os.read(file, _LONGEST))
        return msgspec.convert(said, Owner)
    except (ValueError, OSError, msgspec.ValidationError):
        return Owner("", "unknown", 0, 0)


if sys.platform == "win32":
    import msvcrt

    _FAR = 1 << 30  # Windows locks bytes against reading too: lock one that holds nothing

    def _try_lock(file: int) -> bool:
        os.lseek(file, _FAR, os.SEEK_SET)
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
else:
    import fcntl

    def _try_lock(file: int) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
