"""A child process that says what it has acknowledged, until it is killed."""

from __future__ import annotations

import threading

from forked import Forked


class Life:
    """A child that runs ``crash.MODULE``, and what it has acknowledged so far."""

    module = ""

    def __init__(
        self, url: str, failpoint: str = "", count: int = 0, lease: float = 0, *more: str
    ) -> None:
        self.acknowledged: dict[str, int] = {}
        self._lines = 0
        self._said = threading.Condition()
        self._child = Forked(
            f"crash.{self.module}", [url, failpoint, str(count), str(lease), *more]
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._child.stdout is not None
        for line in self._child.stdout:
            if line.endswith("\n"):  # else it was cut by the kill
                name, version = line.split()
                with self._said:
                    self.acknowledged[name] = int(version)
                    self._lines += 1
                    self._said.notify_all()

    def wait_for(self, lines: int) -> None:
        """Wait until it has acknowledged that many more."""
        with self._said:
            wanted = self._lines + lines
            assert self._said.wait_for(lambda: self._lines >= wanted, 60), "it says nothing more"

    def kill(self) -> dict[str, int]:
        """Kill it; what it has acknowledged."""
        self._child.kill()
        return self.end()

    def end(self) -> dict[str, int]:
        """Wait until it is dead."""
        with self._child:
            try:
                self._reader.join()
            except BaseException:  # the test's time is over
                self._child.kill()
                raise
        return self.acknowledged
