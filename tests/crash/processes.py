"""Processes of one kind on one store, side by side or one after the other."""

from __future__ import annotations

from forked import PIPE, Forked


class Processes:
    """Starts a module of this folder again and again, and ends all that it has started."""

    def __init__(self, module: str, url: str) -> None:
        """The module's arguments are ``url`` and the words of :meth:`start`."""
        self.url = url
        self._module = f"crash.{module}"
        self._started: list[Forked] = []

    def start(self, *words: object) -> Forked:
        process = Forked(self._module, [self.url, *map(str, words)], stdin=PIPE)
        self._started.append(process)
        return process

    def ready(self, *words: object) -> Forked:
        """Start one, and return once it has said that it is ready."""
        process = self.start(*words)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    def end(self) -> None:
        for process in self._started:
            process.kill()
            process.communicate()
