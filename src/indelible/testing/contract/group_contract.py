"""The contract of an event store, second part: groups, failures, opening and closing, views."""
# ruff: noqa: D102 - tests: their names say what they check

from __future__ import annotations

import threading
from contextlib import suppress

import pytest

from indelible.errors import (
    PipelineBrokenError,
    StoreUnavailableError,
    SystemClosedError,
    WrongExpectedVersionError,
)
from indelible.events.store import Append, EventStore, Pipeline
from indelible.testing.contract.builders import (
    Outcomes,
    append_when_available,
    some_event,
    some_events,
    submit_all,
)
from indelible.testing.faults import Fault


class GroupContract:
    """Tests of group commit; the fixtures are those of :class:`EventStoreContract`."""

    # -- groups

    def test_a_group_is_told_in_order_and_once(self, store: EventStore) -> None:
        outcomes = submit_all(store, [("run-1", 0, 1), ("run-2", 0, 2), ("run-1", 1, 1)])
        assert outcomes.errors() == [None, None, None]
        positions = [
            [event.position for event in append.recorded] for append, _ in outcomes.completed
        ]
        assert positions == [[1], [2, 3], [4]]

    def test_a_refused_append_fails_alone(self, store: EventStore) -> None:
        outcomes = submit_all(store, [("run-1", 0, 1), ("run-2", 5, 1), ("run-3", 0, 1)])
        errors = {append.stream: error for append, error in outcomes.completed}
        assert errors["run-1"] is None
        assert errors["run-3"] is None
        assert isinstance(errors["run-2"], WrongExpectedVersionError)
        assert store.positions() == {0: 2}

    def test_the_pipelined_successor_of_a_refused_append_fails(self, store: EventStore) -> None:
        store.append("run-1", some_events(2), expected=0)
        pipeline = Pipeline()  # its writer expects version 1; another writer has appended version 2
        outcomes = submit_all(store, [("run-1", 1, 1), ("run-1", 2, 1)], pipeline=pipeline)
        kinds = [type(error) for error in outcomes.errors()]
        assert kinds == [WrongExpectedVersionError, PipelineBrokenError]
        later = submit_all(store, [("run-1", 2, 1)], pipeline=pipeline)
        assert [type(error) for error in later.errors()] == [PipelineBrokenError]
        assert store.positions() == {0: 2}

    def test_appends_are_never_split(self, store: EventStore) -> None:
        groups: list[list[str]] = []
        store.subscribe(lambda group: groups.append([event.stream for event in group]))
        outcomes = submit_all(store, [("run-1", 0, 600), ("run-2", 0, 600), ("run-3", 0, 300)])
        assert outcomes.errors() == [None, None, None]
        assert [sorted(set(group)) for group in groups] == [["run-1"], ["run-2", "run-3"]]

    def test_what_is_submitted_while_leading_is_led_too(self, store: EventStore) -> None:
        outcomes = Outcomes()

        def again(append: Append, error: BaseException | None) -> None:
            outcomes.on_done(append, error)
            store.submit(Append("run-1", 1, [some_event()], outcomes.on_done))
            store.lead()

        store.submit(Append("run-1", 0, [some_event()], again))
        store.lead()
        assert outcomes.errors() == [None, None]

    def test_one_failing_callback_keeps_nobody_from_being_told(self, store: EventStore) -> None:
        outcomes = Outcomes()

        def fail(_append: Append, _error: BaseException | None) -> None:
            raise ValueError("a caller's mistake")

        store.submit(Append("run-1", 0, [some_event()], fail))
        store.submit(Append("run-2", 0, [some_event()], outcomes.on_done))
        store.lead()
        assert outcomes.errors() == [None]

    def test_threads_append_to_streams_of_their_own(self, store: EventStore) -> None:
        def write(name: str) -> None:
            for version in range(20):
                store.append(name, [some_event()], expected=version)

        threads = [threading.Thread(target=write, args=(f"run-{n}",)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [event.position for event in store.read_shard(0, 0, 500)] == list(range(1, 161))
        assert store.verify() == 160

    def test_threads_compete_for_one_stream(self, store: EventStore) -> None:
        won: list[int] = []

        def write() -> None:
            for version in range(30):
                try:
                    store.append("run-1", [some_event()], expected=version)
                except WrongExpectedVersionError:
                    continue
                won.append(version)

        threads = [threading.Thread(target=write) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(won) == list(range(30))
        assert [event.version for event in store.read("run-1")] == list(range(1, 31))

    # -- subscribers

    def test_a_subscriber_sees_each_group_before_its_followers_are_told(
        self, store: EventStore
    ) -> None:
        seen: list[int] = []
        end = store.subscribe(lambda group: seen.extend(event.position for event in group))
        outcomes = Outcomes()

        def on_done(append: Append, error: BaseException | None) -> None:
            assert [event.position for event in append.recorded] == seen
            outcomes.on_done(append, error)

        store.submit(Append("run-1", 0, some_events(2), on_done))
        store.lead()
        assert outcomes.errors() == [None]
        end()
        store.append("run-1", [some_event()], expected=2)
        assert seen == [1, 2]

    def test_a_failing_subscriber_hurts_nobody(self, store: EventStore) -> None:
        def fail(_group: object) -> None:
            raise ValueError("a subscriber's mistake")

        seen: list[int] = []
        store.subscribe(fail)
        store.subscribe(lambda group: seen.append(len(group)))
        store.append("run-1", [some_event()], expected=0)
        assert seen == [1]

    # -- failures of the database

    def test_a_failed_group_leaves_nothing_and_the_store_recovers(
        self, store: EventStore, before_commit: Fault
    ) -> None:
        store.append("run-1", [some_event()], expected=0)
        before_commit.arm()
        pipeline = Pipeline()
        outcomes = submit_all(store, [("run-1", 1, 1), ("run-2", 0, 1)], pipeline=pipeline)
        assert [type(error) for error in outcomes.errors()] == [StoreUnavailableError] * 2
        assert pipeline.broken
        append_when_available(store, "run-1", expected=1)
        assert store.state == "open"
        assert [event.position for event in store.read_shard(0, 0, 10)] == [1, 2]
        assert store.verify() == 2

    def test_an_append_that_is_durable_after_all_succeeds(
        self, store: EventStore, after_commit: Fault
    ) -> None:
        after_commit.arm()
        outcomes = submit_all(store, [("run-1", 0, 2), ("run-2", 0, 1)])
        assert outcomes.errors() == [None, None]
        append_when_available(store, "run-1", expected=2)
        assert [event.version for event in store.read("run-1")] == [1, 2, 3]
        assert store.verify() == 4

    def test_an_unavailable_store_refuses_by_name(
        self, store: EventStore, before_commit: Fault
    ) -> None:
        before_commit.arm()
        outcomes = submit_all(store, [("run-1", 0, 1)])
        [error] = outcomes.errors()
        assert isinstance(error, StoreUnavailableError)
        assert error.reason == "injected"

    # -- opening and closing

    def test_opening_twice_is_opening_once(self, store: EventStore) -> None:
        store.open()
        [recorded] = store.append("run-1", [some_event()], expected=0)
        assert recorded.epoch == 1

    def test_a_new_opening_keeps_the_events_and_raises_the_epoch(self, store: EventStore) -> None:
        [first] = store.append("run-1", [some_event()], expected=0, status="running")
        store.close()
        store.open()
        [second] = store.append("run-1", [some_event()], expected=1)
        assert (first.epoch, second.epoch) == (1, 2)
        assert [event.epoch for event in store.read("run-1")] == [1, 2]
        assert [head.version for head in store.heads("run", ["running"])] == [2]
        assert store.verify() == 2

    def test_a_closed_store_refuses_everything(self, store: EventStore) -> None:
        store.append("run-1", [some_event()], expected=0)
        store.close()
        store.close()
        assert store.state == "closed"
        with pytest.raises(SystemClosedError):
            store.append("run-1", [some_event()], expected=1)
        with pytest.raises(SystemClosedError):
            list(store.read("run-1"))
        with pytest.raises(SystemClosedError), store.write_views():
            pass
        outcomes = submit_all(store, [("run-1", 1, 1)])
        assert [type(error) for error in outcomes.errors()] == [SystemClosedError]

    def test_closing_finishes_what_is_queued(self, store: EventStore) -> None:
        outcomes = Outcomes()
        for number in range(50):
            store.submit(Append(f"run-{number}", 0, [some_event()], outcomes.on_done))
        store.close()
        assert outcomes.errors() == [None] * 50

    # -- views

    def fail_a_view(self, store: EventStore) -> None:
        with suppress(ZeroDivisionError), store.write_views() as connection:
            connection.exec_driver_sql("INSERT INTO view_of_test VALUES (2)")
            raise ZeroDivisionError

    def test_views_are_written_in_a_transaction(self, store: EventStore) -> None:
        with store.write_views() as connection:
            connection.exec_driver_sql("CREATE TABLE view_of_test (n INTEGER)")
            connection.exec_driver_sql("INSERT INTO view_of_test VALUES (1)")
        self.fail_a_view(store)
        store.append("run-1", [some_event()], expected=0)
        with store.read_views() as connection:
            rows = connection.exec_driver_sql("SELECT n FROM view_of_test").fetchall()
        assert [tuple(row) for row in rows] == [(1,)]
