"""Metrics are sums, minima, maxima and last values: the order between shards does not matter."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from indelible.events.model.event import Event, RecordedEvent
from indelible.events.model.run_events import (
    RunAccepted,
    RunCompleted,
    RunFailed,
    RunQuarantined,
    StepCompleted,
    StepFailed,
)
from indelible.projections.sql.pipelined_statements import PipelinedStatements
from indelible.projections.tables import METADATA
from indelible.projections.views.metrics import Metrics
from indelible.projections.views.view import Pair

T0 = 1_700_000_000_000_000
number = st.integers(0, 10**7)
runs = st.sampled_from(["run-1", "run-2", "run-3", "run-4"])
events = st.one_of(
    st.builds(StepCompleted, st.just("s"), st.just(1), st.just(T0), number, cpu=number),
    st.builds(
        StepFailed, st.just("s"), st.just(1), st.just(T0), number, st.just("E"), st.just("no"),
        final=st.booleans(), cpu=number,
    ),
    st.builds(
        RunCompleted, st.just(T0), st.sampled_from(["success", "partial"]), st.just(1), st.just(0),
        st.just(0), st.integers(-10, 10**9), number,
    ),
    st.builds(
        RunFailed, st.just(T0), st.just("s"), st.just("E"), st.just("no"), st.just(0), st.just(1),
        st.just(0), number, number,
    ),
    st.builds(RunQuarantined, st.just(T0), st.just("s"), st.just(10)),
)  # fmt: skip


def shards_of(log: list[tuple[str, Event]]) -> dict[int, list[Pair]]:
    """The log on two shards, whose events are often of the same instant."""
    shards: dict[int, list[Pair]] = {0: [], 1: []}
    versions: dict[str, int] = {}
    accepted = [
        (f"run-{i}", RunAccepted(str(i), f"agent-{i // 3}", "w", b"", b"", 1, T0)) for i in range(5)
    ]
    for count, (stream, event) in enumerate([*accepted, *log]):
        shard = int(stream[4:]) % 2
        version = versions[stream] = versions.get(stream, 0) + 1
        place = (shard, len(shards[shard]) + 1, stream, version, b"", 1, event.wire_name, 1)
        recorded = RecordedEvent(*place, b"", b"", T0 + count // 4, b"")
        shards[shard].append((recorded, event))
    return shards


def rows(batches: list[list[Pair]]) -> list[list[Any]]:
    """The view's rows after ``batches``."""
    engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
    with engine.begin() as connection:
        METADATA.create_all(connection)
        metrics = Metrics()
        for batch in batches:
            together = PipelinedStatements(connection)
            metrics.write(together, metrics.fold(batch))
            together.run()
        found = [
            list(connection.execute(sa.select(table).order_by(*table.primary_key.columns)).all())
            for table in metrics.tables
        ]
    engine.dispose()
    return found


@given(st.lists(st.tuples(runs, events)), st.lists(st.tuples(st.integers(0, 1), st.integers(1, 9))))
def test_metrics_do_not_depend_on_the_order_between_shards(
    log: list[tuple[str, Event]], cuts: list[tuple[int, int]]
) -> None:
    left = shards_of(log)
    one_after_the_other = rows([*left.values()])
    assert rows([left[0] + left[1]]) == rows([left[1] + left[0]]) == one_after_the_other
    batches = []
    for shard, size in cuts:
        batches.append(left[shard][:size])
        del left[shard][:size]
    assert rows([batch for batch in [*batches, *left.values()] if batch]) == one_after_the_other
