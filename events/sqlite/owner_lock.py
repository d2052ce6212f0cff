"""The owner of a store holds a kernel lock on a file beside the database until its process ends.

Keeps invariant 3 on one host.  Only the lock counts; the text in the file is for people.
"""

from __future__ import annotations

import errno
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
from indelible.errors import (
    StoreNotFoundError,
    StoreOwnedError,
    StoreReadOnlyError,
    StoreUnavailableError,
)
from indelible.events.lease.store_owner import StoreOwner

_LONGEST = 4_096  # bytes of the file that are read
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def this_process(name: str, clock: Clock) -> StoreOwner:
    """Return this process as an owner from now on."""
    return StoreOwner(name, socket.gethostname(), os.getpid(), clock.now())


def read_owner(path: Path) -> StoreOwner | None:
    """Return the owner that the file at ``path`` names, ``None`` if that process has ended.

    The lock itself is not tried: that could make a process fail that opens the store just then.
    """
    try:
        file = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        owner = _read(file)
    finally:
        os.close(file)
    ended = owner.host == socket.gethostname() and not _is_alive(owner.pid)
    return None if not owner.since or ended else owner


def _is_alive(pid: int) -> bool:
    if sys.platform == "win32":  # os.kill() would end the process there
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # a process of another user
    return not _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    """Whether a process has ended and its parent has not reaped it; ``False`` if not on Linux."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return False
    return stat.rpartition(b")")[2].split()[:1] in ([b"Z"], [b"X"])


class OwnerLock:
    """A lock that one store of one process holds; :meth:`acquire` never waits."""

    def __init__(self, path: Path, url: str) -> None:
        """``path`` is the lock file; no I/O yet."""
        self._path = path
        self._url = url
        self._file: int | None = None
        self._is_new = False  # whether acquire() has made the file

    def acquire(self, owner: StoreOwner) -> None:
        """Take the lock and write ``owner`` to the file.

        The file is closed on exec; a forked child must call :meth:`drop`.

        Raises:
            StoreOwnedError: Another process holds the lock, or another store of this process.
            StoreNotFoundError: The directory does not exist.
            StoreReadOnlyError: The file cannot be made or written.
            StoreUnavailableError: The disk is full.
        """
        file: int | None = None
        while file is None:
            self._is_new = not self._path.exists()
            file = self._lock_file()
        with suppress(OSError):  # the disk is full: the lock is held all the same
            os.ftruncate(file, 0)
            os.lseek(file, 0, os.SEEK_SET)
            os.write(file, json.dumps(msgspec.to_builtins(owner)).encode())
        self._file = file

    def _lock_file(self) -> int | None:
        """Open and lock the file; ``None`` if it was removed meanwhile."""
        try:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise StoreNotFoundError(self._url) from error
        except OSError as error:
            why = f"{self._path}: {error.strerror}"
            if error.errno in _FULL:
                raise StoreUnavailableError(why) from error
            raise StoreReadOnlyError(self._url, why) from error
        try:
            if not _try_lock(file):
                raise self._taken(_read(file))
            if _is_at(file, self._path):
                return file
        except BaseException:
            os.close(file)
            raise
        os.close(file)
        return None

    def release(self) -> None:
        """Release the lock; may be called twice.  The file stays, for the next owner."""
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):
                os.ftruncate(file, 0)
            os.close(file)

    def undo(self) -> None:
        """Release the lock after a failed opening, and remove the file if :meth:`acquire` made it.

        The file is removed while it is locked; a process that opens it just then tries again.
        """
        if self._file is not None and self._is_new:
            with suppress(OSError):  # Windows does not remove an open file
                self._path.unlink()
        self.release()

    def drop(self) -> None:
        """Close the copy in a forked child, so that the lock ends with its real holder."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)

    def _taken(self, owner: StoreOwner) -> StoreOwnedError:
        at = datetime.fromtimestamp(owner.since / 1_000_000, UTC).isoformat(" ", "seconds")
        return StoreOwnedError(
            self._url,
            owner=owner.owner,
            host=owner.host,
            pid=owner.pid,
            since=owner.since,
            at=at if owner.since else "just now",
            here=owner.pid == os.getpid() and owner.host == socket.gethostname(),
        )


def _is_at(file: int, path: Path) -> bool:
    """Whether the open ``file`` is the one at ``path``."""
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False


def _read(file: int) -> StoreOwner:
    """Return the owner in the file, or an unknown one if the holder has not written it yet."""
    try:
        os.lseek(file, 0, os.SEEK_SET)
        owner: Any = json.loads(os.read(file, _LONGEST))
        return msgspec.convert(owner, StoreOwner)
    except (ValueError, OSError, msgspec.ValidationError):
        return StoreOwner("", "unknown", 0, 0)


if sys.platform == "win32":
    import msvcrt

    _FAR = 1 << 30  # Windows locks bytes against reading too: lock one after the end of the file

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
