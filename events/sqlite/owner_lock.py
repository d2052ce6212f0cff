"""Who owns a store: a kernel lock on a file beside the database, freed the moment its holder dies.

Keeps invariant 3 on one host.  The lock is the truth; what the file says is for people.
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
    """This process, from now on."""
    return StoreOwner(name, socket.gethostname(), os.getpid(), clock.now())


def who_owns(path: Path) -> StoreOwner | None:
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
    return not _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    """Whether a process has ended, and its parent has not asked how: on Linux, which says so."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return False
    return stat.rpartition(b")")[2].split()[:1] in ([b"Z"], [b"X"])


class OwnerLock:
    """Held by one process at a time, and by one store in it; no thread may wait for it."""

    def __init__(self, path: Path, url: str) -> None:
        """``path`` is the lock file; nothing is touched."""
        self._path = path
        self._url = url
        self._file: int | None = None
        self._is_new = False  # whether the file was not there before

    def acquire(self, owner: StoreOwner) -> None:
        """Take the lock and write down ``owner``.

        The file is closed on exec; a child made by fork must call :meth:`drop`.

        Raises:
            StoreOwnedError: Another process has it, or another store of this process.
            StoreNotFoundError: There is no such directory.
            StoreReadOnlyError: The file cannot be made or written here.
            StoreUnavailableError: The disk is full.
        """
        file: int | None = None
        while file is None:
            self._is_new = not self._path.exists()
            file = self._lock_file()
        with suppress(OSError):  # of a full disk: the lock holds all the same
            os.ftruncate(file, 0)
            os.lseek(file, 0, os.SEEK_SET)
            os.write(file, json.dumps(msgspec.to_builtins(owner)).encode())
        self._file = file

    def _lock_file(self) -> int | None:
        """The locked file; ``None`` if it was removed at that moment, so that it is no lock."""
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
        """Let go; may be called twice.  The file stays, for the next owner."""
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):
                os.ftruncate(file, 0)
            os.close(file)

    def undo(self) -> None:
        """As :meth:`release`, and leave no file where there was none: nothing came of it.

        It is removed while it is locked; who opens it at that moment looks again.
        """
        if self._file is not None and self._is_new:
            with suppress(OSError):  # Windows removes no open file
                self._path.unlink()
        self.release()

    def drop(self) -> None:
        """In a forked child: close its copy, so that the lock dies with its real holder."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)

    def _taken(self, said: StoreOwner) -> StoreOwnedError:
        at = datetime.fromtimestamp(said.since / 1_000_000, UTC).isoformat(" ", "seconds")
        return StoreOwnedError(
            self._url,
            owner=said.owner,
            host=said.host,
            pid=said.pid,
            since=said.since,
            at=at if said.since else "just now",
            here=said.pid == os.getpid() and said.host == socket.gethostname(),
        )


def _is_at(file: int, path: Path) -> bool:
    """Whether the open ``file`` is the one at ``path``."""
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False


def _read(file: int) -> StoreOwner:
    """What the holder wrote, which it may be doing at this moment."""
    said: Any
    try:
        os.lseek(file, 0, os.SEEK_SET)
        said = json.loads(os.read(file, _LONGEST))
        return msgspec.convert(said, StoreOwner)
    except (ValueError, OSError, msgspec.ValidationError):
        return StoreOwner("", "unknown", 0, 0)


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
