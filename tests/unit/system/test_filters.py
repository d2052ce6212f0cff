"""A filter by a word that is never there is refused, where an empty answer would mislead."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any, get_args

import pytest

from indelible import ActorSystem
from indelible.api.facade import access_to
from indelible.errors import UnknownFilterError
from indelible.events.subscribe.subscription import Subscription
from indelible.projections.queries.view_queries import RunStateWord
from indelible.results import RunWord
from unit.inbox.counters import Add, Counter


@pytest.fixture
def system() -> Iterator[ActorSystem]:
    with ActorSystem("memory://", actors=[Counter()]) as system:
        system.actor("counter", "c").ask(Add(5))
        yield system


def read(subscription: Subscription, *, on_loop: bool) -> Any:
    async def first() -> Any:
        return await anext(subscription, None)

    return asyncio.run(first()) if on_loop else next(subscription, None)


def test_a_state_that_no_run_and_no_parked_event_has_is_refused(system: ActorSystem) -> None:
    views: Any = system.views
    with pytest.raises(
        UnknownFilterError, match=r"^state='bad' is unknown; there are accepted, run"
    ):
        views.runs(state="bad")
    with pytest.raises(UnknownFilterError, match="did you mean 'completed'"):
        views.runs(state="complete")
    with pytest.raises(UnknownFilterError, match=r"did you mean 'parked'.* there are parked, skip"):
        views.parked(state="park")
    with pytest.raises(UnknownFilterError):
        views.as_of(system.store.positions()).runs(state="bad")
    for state in get_args(RunWord):
        assert views.runs(state=state) == []


def test_the_views_know_the_states_that_runs_have() -> None:
    assert get_args(RunStateWord) == get_args(RunWord)


@pytest.mark.parametrize("on_loop", [False, True])
@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize(
    ("filters", "why"),
    [
        ({"category": "conter"}, "category='conter' is unknown; did you mean 'counter'"),
        ({"category": "runs"}, "category='runs' is unknown; did you mean 'run'"),
        (
            {"types": ["run.complete"]},
            "types='run.complete' is unknown; did you mean 'run.completed'",
        ),
    ],
)
def test_a_misspelt_name_of_which_the_log_has_nothing_is_refused_at_its_end(
    system: ActorSystem, filters: dict[str, Any], why: str, live: bool, on_loop: bool
) -> None:
    subscription = system.events(**filters, live=live)
    with pytest.raises(UnknownFilterError, match=f"^{why}"):
        read(subscription, on_loop=on_loop)
    subscription.close()


@pytest.mark.parametrize(
    "filters",
    [
        {"category": "bank"},
        {"category": "projection"},
        {"types": ["order.placed"]},
        {"types": ["run.completed"]},
    ],
)
def test_a_name_that_another_program_may_write_finds_nothing(
    system: ActorSystem, filters: dict[str, Any]
) -> None:
    assert list(system.events(**filters, live=False)) == []


def test_a_name_much_like_a_known_one_is_right_if_the_log_has_it() -> None:
    class Counters(Counter):
        category = "counters"

    store = ActorSystem("memory://", actors=[Counter(), Counters()])
    with store as system:
        system.actor("counters", "c").ask(Add(5))
        readers = access_to(system).parts.readers
        readers._categories = {"counter"}  # as a program that is given the one, not the other
        [batch] = system.events(category="counters", live=False)
        assert len(batch) == 1


@pytest.mark.parametrize("way", ["events", "consumer", "consume"])
def test_a_reader_that_does_not_see_the_whole_log_is_warned_once_of_a_misspelt_name(
    system: ActorSystem, caplog: pytest.LogCaptureFixture, way: str
) -> None:
    def follow(**filters: Any) -> None:
        if way == "events":
            assert list(system.events(after="end", live=False, **filters)) == []
        elif way == "consumer":
            system.consumer("c", **filters).close()
        else:
            system.consume("c", lambda _: None, **filters).stop()

    for filters in ({"category": "bank"}, {"types": ["run.completed", "order.placed"]}):
        follow(**filters)
    assert caplog.messages == []
    for _ in range(2):
        follow(category="conter")  # what is before may be of that name
        follow(types=["run.complete"])
    of_category, of_type = caplog.messages
    assert of_category.startswith("category='conter' is unknown; did you mean 'counter'?")
    assert of_type.startswith("types='run.complete' is unknown; did you mean 'run.completed'?")
