"""Every store against a model of a few lines: random appends, groups, faults, reopenings, reads."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from indelible.clock import ManualClock
from indelible.errors import (
    PipelineBrokenError,
    StoreUnavailableError,
    WrongExpectedVersionError,
)
from indelible.events.commit.grouped_store import GroupedStore
from indelible.events.memory.store import MemoryEventStore
from indelible.events.model.event import EncodedEvent
from indelible.events.sqlite.store import SqlEventStore
from indelible.events.store import Append, EventStore, Pipeline
from indelible.failpoints import Failpoints
from indelible.testing.contract.builders import Outcomes, some_event, some_events
from indelible.testing.faults import Fault
from session_files import in_memory

NAMES = st.sampled_from(["run-1", "run-2", "agent-x", "session-é"])
STATUS = st.sampled_from([None, "", "running", "done"])
PLACES = st.sampled_from(["commit.begun", "commit.before", "commit.after"])
APPEND = st.tuples(NAMES, st.sampled_from([-1, 0, 0, 0, 1]), st.integers(1, 4), STATUS)


@dataclass
class Model:
    """What the store should hold."""

    log: list[tuple[str, bytes]] = field(default_factory=list)
    streams: dict[str, list[bytes]] = field(default_factory=dict)
    status: dict[str, str] = field(default_factory=dict)

    def version(self, stream: str) -> int:
        return len(self.streams.get(stream, []))

    def accept(self, append: Append) -> None:
        ids = [event.event_id for event in append.events]
        self.log += [(append.stream, event_id) for event_id in ids]
        self.streams.setdefault(append.stream, []).extend(ids)
        self.status.setdefault(append.stream, "")
        if append.status is not None:
            self.status[append.stream] = append.status


class StoreMachine(RuleBasedStateMachine):
    """Runs one store beside the model."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.faults = {name: Fault() for name in ("commit.begun", "commit.before", "commit.after")}
        self.model = Model()
        self.live: list[bytes] = []
        self.store = self.make_store(Failpoints(dict(self.faults)))

    def make_store(self, failpoints: Failpoints) -> EventStore:
        raise NotImplementedError

    @initialize()
    def open(self) -> None:
        self.store.subscribe(lambda group: self.live.extend(event.event_id for event in group))
        self.store.open()

    def at_rest(self) -> threading.Lock:
        """What the thread that commits a group, and tells of it, holds until it has done so."""
        assert isinstance(self.store, GroupedStore)
        return self.store._group._leading

    def teardown(self) -> None:
        with self.at_rest():
            pass
        assert self.store.verify() == len(self.model.log)
        assert self.live == [event_id for _, event_id in self.model.log]
        self.store.close()

    # -- what can happen

    @rule(stream=NAMES, count=st.integers(1, 3), status=STATUS)
    def append(self, stream: str, count: int, status: str | None) -> None:
        expected = self.model.version(stream)
        recorded = self.store.append(stream, some_events(count), expected=expected, status=status)
        assert [event.version for event in recorded] == list(
            range(expected + 1, expected + count + 1)
        )
        events = [EncodedEvent(e.event_id, e.type, e.schema, e.payload) for e in recorded]
        self.model.accept(Append(stream, expected, events, lambda _a, _e: None, status=status))

    @rule(stream=NAMES, off=st.sampled_from([-2, -1, 1, 7]))
    def append_at_a_wrong_version(self, stream: str, off: int) -> None:
        expected = self.model.version(stream) + off
        with pytest.raises(WrongExpectedVersionError) as caught:
            self.store.append(stream, [some_event()], expected=expected)
        assert caught.value.actual == self.model.version(stream)

    @rule(
        appends=st.lists(APPEND, min_size=1, max_size=6),
        pipelined=st.booleans(),
        fault=st.none() | PLACES,
        seconds=st.integers(0, 3),
    )
    def commit_a_group(
        self,
        appends: list[tuple[str, int, int, str | None]],
        pipelined: bool,
        fault: str | None,
        seconds: int,
    ) -> None:
        self.clock.advance(seconds)
        outcomes, pipelines = Outcomes(), {name: Pipeline() for name, *_ in appends}
        group: list[Append] = []
        guess: dict[str, int] = {}
        for name, off, count, status in appends:
            version = guess.get(name, self.model.version(name))
            guess[name] = version + count
            pipeline = pipelines[name] if pipelined else None
            events = some_events(count)
            group.append(
                Append(
                    name, version + off, events, outcomes.on_done, status=status, pipeline=pipeline
                )
            )
        wanted = self.predict(group)
        accepted = [append for append, kind in wanted if kind is None]
        failing = fault in ("commit.begun", "commit.before") and accepted
        if fault is not None and accepted:
            self.faults[fault].arm()
        with self.at_rest():  # a leader on its way out might take a part of them
            for append in group:
                self.store.submit(append)
        self.store.lead()
        outcomes.wait_for(len(group))  # that leader may be the one that commits them
        told = {id(append): error for append, error in outcomes.completed}
        assert len(outcomes.completed) == len(told) == len(group)
        for append, kind in wanted:
            error = told[id(append)]
            failed = StoreUnavailableError if failing and kind is None else kind
            assert error is None if failed is None else type(error) is failed
        if not failing:
            for append in accepted:
                self.model.accept(append)
        if fault is not None and accepted:
            self.wait_until_open()

    def predict(self, group: list[Append]) -> list[tuple[Append, type[Exception] | None]]:
        versions: dict[str, int] = {}
        broken: set[int] = set()
        wanted: list[tuple[Append, type[Exception] | None]] = []
        for append in group:
            version = versions.get(append.stream, self.model.version(append.stream))
            kind: type[Exception] | None = None
            if append.pipeline is not None and id(append.pipeline) in broken:
                kind = PipelineBrokenError
            elif append.expected != version:
                kind = WrongExpectedVersionError
                broken.add(id(append.pipeline))
            else:
                versions[append.stream] = version + len(append.events)
            wanted.append((append, kind))
        return wanted

    @rule()
    def reopen(self) -> None:
        self.store.close()
        self.store.open()

    def wait_until_open(self) -> None:
        """Each refusal has waited for the store's own thread, which probes in between."""
        while True:
            try:
                self.store.append("never-appended", [some_event()], expected=1)
            except StoreUnavailableError:
                continue
            except WrongExpectedVersionError:
                return

    # -- what must always hold

    @invariant()
    def the_log_is_the_model(self) -> None:
        if self.store.state == "closed":
            return
        log = self.store.read_shard(0, 0, 10_000)
        assert [(event.stream, event.event_id) for event in log] == self.model.log
        assert [event.position for event in log] == list(range(1, len(log) + 1))
        assert [event.recorded_at for event in log] == sorted(event.recorded_at for event in log)
        assert self.store.positions() == {0: len(self.model.log)}

    @invariant()
    def the_streams_are_the_model(self) -> None:
        if self.store.state == "closed":
            return
        for name, ids in self.model.streams.items():
            events = list(self.store.read(name))
            assert [event.event_id for event in events] == ids
            assert [event.version for event in events] == list(range(1, len(ids) + 1))
            head = self.store.head(name)
            assert head is not None
            assert (head.version, head.status) == (len(ids), self.model.status[name])

    @invariant()
    def the_heads_are_in_order_of_creation(self) -> None:
        if self.store.state == "closed":
            return
        created = [name for name in self.model.streams if name.startswith("run-")]
        assert [head.stream for head in self.store.heads("run")] == created
        running = [name for name in created if self.model.status[name] == "running"]
        assert [head.stream for head in self.store.heads("run", ["running"])] == running


class MemoryMachine(StoreMachine):
    def make_store(self, failpoints: Failpoints) -> EventStore:
        return MemoryEventStore(clock=self.clock, failpoints=failpoints)


class SqliteMachine(StoreMachine):
    def make_store(self, failpoints: Failpoints) -> EventStore:
        self.folder = tempfile.TemporaryDirectory(dir=in_memory())
        database = Path(self.folder.name) / "store.db"
        shutil.copy(empty_database(), database)
        return SqlEventStore(f"sqlite:///{database}", clock=self.clock, failpoints=failpoints)

    def teardown(self) -> None:
        super().teardown()
        self.folder.cleanup()


@functools.cache
def empty_database() -> Path:
    """A migrated database without an event, made once: the migration is not what is tested."""
    folder = tempfile.mkdtemp(dir=in_memory())
    atexit.register(shutil.rmtree, folder)
    database = Path(folder) / "empty.db"
    store = SqlEventStore(f"sqlite:///{database}")
    store.open()
    store.close()
    return database


TestMemory = MemoryMachine.TestCase
TestMemory.settings = settings(
    max_examples=settings().max_examples * 6 // 10,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestSqlite = SqliteMachine.TestCase
TestSqlite.settings = settings(
    max_examples=settings().max_examples // 4,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
