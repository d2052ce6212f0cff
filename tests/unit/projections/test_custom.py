"""Views of one's own: kept, parked, rebuilt and compared like the built-in ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import pytest
import sqlalchemy as sa

from indelible.events.model.event import Event
from indelible.events.model.run_events import RunAccepted, RunCompleted, StepCompleted
from indelible.projections.sql.pipelined_statements import PipelinedStatements
from indelible.projections.views.custom import CustomView, Projection, check_projections
from indelible.projections.views.view import Pair

T0 = 1_700_000_000_000_000


def metadata(*names: str, **more: Any) -> sa.MetaData:
    made = sa.MetaData()
    for name in names:
        sa.Table(
            name,
            made,
            sa.Column("run", sa.Text, primary_key=True),
            sa.Column("steps", sa.BigInteger, nullable=False, index=True),
            **more,
        )
    return made


class Counts(Projection):
    """Steps of each run, told apart by whether the run has ended."""

    name = "counts"
    tables = metadata("counts_open", "counts_ended")
    handles: ClassVar[Sequence[type[Event]]] = (RunAccepted, StepCompleted, RunCompleted)
    refuses = ""

    def apply(self, connection: sa.Connection, events: Sequence[Pair]) -> None:
        current, ended = self.table("counts_open"), self.table("counts_ended")
        for recorded, event in events:
            if recorded.stream == self.refuses:
                raise ValueError(f"not {recorded.stream}")
            run = recorded.stream
            mine = current.c.run == run
            if isinstance(event, RunAccepted):
                connection.execute(sa.insert(current).values(run=run, steps=0))
            elif isinstance(event, StepCompleted):
                connection.execute(sa.update(current).where(mine).values(steps=current.c.steps + 1))
            else:
                row = connection.execute(sa.delete(current).where(mine).returning(current.c.steps))
                connection.execute(sa.insert(ended).values(run=run, steps=row.scalar_one()))


def rows(log: Any, name: str) -> list[Any]:
    table = Counts.tables.tables[name]
    with log.store.read_views() as connection:
        found = connection.execute(sa.select(table).order_by(table.c.run))
        return [tuple(row) for row in found]


def test_its_tables_are_made_and_follow_the_log(log: Any) -> None:
    engine = log.engine(own=[Counts()], batch=2)
    log.run("1")
    log.append("2", RunAccepted("2", "etl", "w", b"", b"", 2, T0))
    log.settle(engine)
    assert rows(log, "counts_ended") == [("run-1", 2)]
    assert rows(log, "counts_open") == [("run-2", 0)]
    log.run("3")
    log.settle(log.engine(own=[Counts()]))
    assert rows(log, "counts_ended") == [("run-1", 2), ("run-3", 2)]


def test_a_rebuild_gives_the_same_rows_and_needs_both_tables(log: Any) -> None:
    engine = log.engine(own=[Counts()])
    log.run("1")
    log.append("2", RunAccepted("2", "etl", "w", b"", b"", 2, T0))
    log.settle(engine)
    for _ in range(2):
        with log.store.write_views() as connection:
            for table in Counts.tables.sorted_tables:
                connection.execute(sa.delete(table))
        engine.rebuild("counts")
        log.settle(engine)
        assert rows(log, "counts_ended") == [("run-1", 2)]
        assert rows(log, "counts_open") == [("run-2", 0)]


def test_another_version_is_rebuilt_even_with_another_table(log: Any) -> None:
    log.run("1")
    log.settle(log.engine(own=[Counts()]))

    class Wider(Counts):
        version = 2
        tables = metadata("counts_open", "counts_ended", "counts_more")

        def apply(self, connection: sa.Connection, events: Sequence[Pair]) -> None:
            super().apply(connection, events)
            more = self.table("counts_more")
            rows = [{"run": f"{e.stream}/{e.version}", "steps": 1} for e, _ in events]
            connection.execute(sa.insert(more), rows)

    log.settle(log.engine(own=[Wider()]))
    assert rows(log, "counts_ended") == [("run-1", 2)]
    with log.store.read_views() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM counts_more")).scalar() == 4


def test_an_event_that_it_refuses_is_parked_and_nothing_of_it_is_kept(log: Any) -> None:
    view = Counts()
    view.refuses = "run-2"
    engine = log.engine(own=[view])
    for run in ("1", "2", "3"):
        log.run(run)
    log.settle(engine)
    assert rows(log, "counts_ended") == [("run-1", 2), ("run-3", 2)]
    assert [event.version for event in log.views.parked("counts")] == [1, 2, 3, 4]
    assert log.views.parked("counts")[0].error == "ValueError: not run-2"


def test_a_process_without_it_leaves_it_where_it_stands(log: Any) -> None:
    log.run("1")
    log.settle(log.engine(own=[Counts()]))
    log.run("2")
    log.settle(log.engine())
    assert log.views.cursors()["counts"] == {0: 4}
    assert log.views.lag()["counts"].events == 4
    log.settle(log.engine(own=[Counts()]))
    assert rows(log, "counts_ended") == [("run-1", 2), ("run-2", 2)]


def test_a_projection_must_say_how_events_are_applied() -> None:
    class Silent(Projection):
        name = "silent"
        tables = metadata("silent")
        handles = (RunAccepted,)

    with pytest.raises(NotImplementedError):
        CustomView(Silent()).write(PipelinedStatements(None), [])  # type: ignore[arg-type]


def projection(**fields: Any) -> Projection:
    given = {"name": "mine", "tables": metadata("mine"), "handles": (RunAccepted,), **fields}
    made: Projection = type("Mine", (Projection,), given)()
    return made


class Nameless(Event, frozen=True):
    """No wire name."""


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"name": ""}, "choose lower-case words"),
        ({"name": "Mine"}, "choose lower-case words"),
        ({"name": "a__b"}, "choose lower-case words"),
        ({"name": "a" * 41}, "at most 40"),
        ({"name": "metrics"}, "exists already"),
        ({"version": 0}, "versions begin at 1"),
        ({"handles": ()}, "must handle event classes"),
        ({"handles": (Nameless,)}, "must handle event classes"),
        ({"tables": sa.MetaData()}, "has no tables"),
        ({"tables": metadata("other")}, "must be called 'mine'"),
        ({"tables": metadata("mine__rebuild")}, "must be called 'mine'"),
        ({"tables": metadata("mine", schema="other")}, "in no schema"),
        ({"name": "workflow", "tables": metadata("workflow_status")}, "there is a table"),
        ({"name": "event", "tables": metadata("events")}, "must be called 'event'"),
        ({"name": "events", "tables": metadata("events")}, "exists already"),
        ({"name": "inbox", "tables": metadata("inbox_mine")}, "exists already"),
    ],
)
def test_what_would_get_in_the_way_of_others_is_refused(fields: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        check_projections([projection(**fields)])


def test_two_views_of_one_name_or_one_table_are_refused() -> None:
    with pytest.raises(ValueError, match="exists already"):
        check_projections([projection(), projection()])
    one = projection(name="mine", tables=metadata("mine_too_many"))
    other = projection(name="mine_too", tables=metadata("mine_too_many"))
    check_projections([one])
    with pytest.raises(ValueError, match="there is a table"):
        check_projections([one, other])


def test_a_table_without_a_key_and_one_that_refers_to_another_are_refused() -> None:
    bare = sa.MetaData()
    sa.Table("mine", bare, sa.Column("run", sa.Text))
    with pytest.raises(ValueError, match="primary key"):
        check_projections([projection(tables=bare)])
    tied = metadata("mine")
    sa.Table("mine_more", tied, sa.Column("run", sa.ForeignKey("mine.run"), primary_key=True))
    with pytest.raises(ValueError, match="refers to another"):
        check_projections([projection(tables=tied)])
