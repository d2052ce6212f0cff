"""Processes that are made to be killed."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

from postgres_server import connect


class Child:
    """The process that forks what is killed, and what it has said."""

    def __init__(self) -> None:
        script = Path(__file__).parent / "crash" / "store_child.py"
        self._process = subprocess.Popen(
            [sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._rest = b""

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()

    def order(
        self,
        what: str,
        url: str,
        *,
        failpoint: str = "",
        count: int = 1,
        seed: int = 0,
        lease: float | None = None,
    ) -> int:
        """Have a child begin; its process id."""
        order = {"what": what, "url": url, "failpoint": failpoint, "count": count, "seed": seed}
        order["lease"] = lease
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        self._process.stdin.flush()
        return int(self.line()[1])

    def line(self) -> list[str]:
        while b"\n" not in self._rest:
            self._rest += self._more()
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode().split()

    def speaks_within(self, seconds: float) -> bool:
        """Wait for a word of the child, or for the time to pass."""
        assert self._process.stdout is not None
        return bool(self._rest or select.select([self._process.stdout], [], [], seconds)[0])

    def _more(self) -> bytes:
        assert self._process.stdout is not None
        more = os.read(self._process.stdout.fileno(), 65_536)
        assert more, "the child's parent died"
        return more

    def acknowledged_until_dead(
        self, pid: int, kill_after: int | None
    ) -> tuple[list[list[str]], int]:
        """What was acknowledged, and the status; the child is killed after so many, if given."""
        acknowledged: list[list[str]] = []
        if kill_after == 0:
            os.kill(pid, signal.SIGKILL)
        while True:
            kind, *words = self.line()
            if kind == "X":
                return acknowledged, int(words[0])
            if kind == "A":
                acknowledged.append(words)
                if len(acknowledged) == kill_after:
                    os.kill(pid, signal.SIGKILL)


def end_leases(url: str) -> None:
    """Let the leases of processes that were killed have ended, without the time that takes.

    On SQLite there are none.
    """
    if url.startswith("sqlite"):
        return
    with connect(url) as connection:
        for table in ("processes", "shards", "roles"):
            connection.execute(f"UPDATE {table} SET lease_until = 1".encode())
