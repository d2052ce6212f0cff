"""Progress of runs, from the commits that a command sees.

The listeners run on the thread that led the commit, so they are quick and never raise.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterable, Sequence

from indelible.actors.workflow.state.run_state import RESUMED
from indelible.api.facade import access_to
from indelible.api.system import ActorSystem
from indelible.cli.render.console import count, restore_cursor
from indelible.events.model.event import RecordedEvent
from indelible.events.model.run_events import RunCompleted, RunFailed, RunQuarantined, StepCompleted

_ENDS = frozenset(cls.wire_name for cls in (RunCompleted, RunFailed, RunQuarantined))
_STEP = StepCompleted.wire_name


class RunProgress:
    """Follows runs that an open system executes to their end.

    Attributes:
        pending: Streams of the runs that have not ended.
        ended: Streams of all runs that ended while watched.
        steps: Steps completed while watched, of all runs.
        done: Set when nothing is pending.
        noun: The unit of ``steps``.
        polled: Whether :meth:`refresh` has read the store.
    """

    noun = "step completed"

    def __init__(self, system: ActorSystem, streams: Iterable[str]) -> None:
        """Watch ``streams`` from now on; call :meth:`settle` for runs that had ended before."""
        self.pending = set(streams)
        self.ended: set[str] = set()
        self.steps = 0
        self.done = threading.Event()
        self.polled = False
        system.store.subscribe(self._on_commit)

    def add(self, stream: str) -> None:
        """Watch ``stream`` too."""
        self.pending.add(stream)
        if stream in self.ended:  # it ended meanwhile
            self.pending.discard(stream)

    def refresh(self) -> None:
        """Read progress that commits do not show: here there is none."""

    def progress(self) -> str:
        """The progress of all runs since the watch began, as text."""
        what, how = self.noun.split()
        return f"{count(self.steps, what)} {how}"

    def settle(self, stream: str) -> None:
        """Stop watching ``stream``, whose end the caller has seen."""
        self.pending.discard(stream)
        self._check_done()

    def _on_commit(self, group: Sequence[RecordedEvent]) -> None:
        for recorded in group:
            if recorded.type == _STEP:
                self.steps += 1
            elif recorded.type in _ENDS:
                self.ended.add(recorded.stream)
                self.pending.discard(recorded.stream)
        self._check_done()

    def _check_done(self) -> None:
        if not self.pending:
            self.done.set()


class RemoteRunProgress(RunProgress):
    """The same for runs that another process executes: :meth:`refresh` reads the log.

    Attributes:
        steps: Events recorded while watched, of all streams.
    """

    noun = "event recorded"

    def __init__(self, system: ActorSystem, streams: Iterable[str]) -> None:
        """Watch ``streams`` from now on."""
        super().__init__(system, streams)
        self._store = system.store
        self._before = sum(self._store.positions().values())

    def refresh(self) -> None:
        """Read which runs have ended, and how many events were recorded."""
        events = sum(self._store.positions().values()) - self._before
        if events == self.steps and self.polled:
            return
        self.steps, self.polled = events, True
        heads = self._store.heads_of(self.pending)
        unfinished = {name for name, head in heads.items() if head.status in RESUMED}
        for stream in self.pending - unfinished:
            if self._store.head(stream) is not None:
                self.ended.add(stream)
                self.settle(stream)


def watch(system: ActorSystem, streams: Iterable[str]) -> RunProgress:
    """The progress of runs of ``system``, whether this or another process executes them."""
    executes_all = system.owns and system.store.shards == 1
    return RunProgress(system, streams) if executes_all else RemoteRunProgress(system, streams)


class CrashAfter:
    """Kills this process once all of some steps of one run are durably complete."""

    def __init__(
        self, system: ActorSystem, stream: str, paths: Iterable[str], message: str
    ) -> None:
        """Watch ``stream`` from its beginning; ``message`` goes to stderr before the kill."""
        self._stream = stream
        self._left = set(paths)
        self._message = message
        self._decode = access_to(system).parts.types.decode
        system.store.subscribe(self._on_commit)
        self._on_commit(list(system.store.read(stream)))

    def _on_commit(self, group: Sequence[RecordedEvent]) -> None:
        for recorded in group:
            if recorded.stream == self._stream and recorded.type == _STEP:
                event = self._decode(recorded)
                assert isinstance(event, StepCompleted)
                self._left.discard(event.path)
        if not self._left:
            restore_cursor()
            os.write(2, self._message.encode() + b"\n")
            os.kill(os.getpid(), signal.SIGKILL)
