"""Given events, when a message comes, then these events: the pure core alone."""

from __future__ import annotations

from typing import Any

import pytest

from indelible.actors.decider import fold
from indelible.actors.workflow import run_messages
from indelible.actors.workflow.decide.run_decider import RunDecider
from indelible.actors.workflow.definition.compile import compile_definition
from indelible.actors.workflow.run_effects import AwaitType, Begin, Ended, RetryAt
from indelible.events.codec.values import encode_value
from indelible.events.model import run_events

DECIDER = RunDecider()
STEPS = [
    {"name": "one", "type": "x", "retry": {"attempts": 2, "delay": 10, "jitter": 0}},
    {"name": "two", "type": "y"},
]
PLAN = compile_definition({"name": "w", "steps": STEPS}, None)
GIVEN = encode_value({})
ONE, TWO = PLAN.by_name["one"], PLAN.by_name["two"]
NIL = encode_value(None)

ACCEPTED = DECIDER.decide(
    DECIDER.initial_state(), run_messages.AcceptRun("r", "a", PLAN.encoded, GIVEN, now=100)
).events[0]
FAILED_ONCE = run_events.StepFailed("one", 1, 200, 0, "E", "bad", final=False, retry_at=10_000_200)
COMPLETED = run_events.StepCompleted("one", 1, 200, 0, NIL, starts=(("two", 1),))
ENDED = run_events.RunCompleted(300, "success", 2, 0, 0, 0, 0)


def state_after(*events: Any) -> Any:
    return fold(DECIDER, DECIDER.initial_state(), events)


def resume(**options: Any) -> run_messages.Resume:
    return run_messages.Resume(
        **{"now": 900, "cut_off": [], "unbegun": [], "known": frozenset("xy"), **options}
    )


def test_accepting_a_run_records_its_first_start_before_it_begins() -> None:
    decision = DECIDER.decide(
        DECIDER.initial_state(), run_messages.AcceptRun("r", "a", PLAN.encoded, GIVEN, now=100)
    )
    assert decision.reply is True
    assert decision.events[0].starts == (("one", 1),)  # type: ignore[attr-defined]
    assert decision.effects == [Begin(ONE, 1)]


def test_a_completion_records_the_next_start_in_the_same_event() -> None:
    decision = DECIDER.decide(state_after(ACCEPTED), run_messages.StepReturned(ONE, 1, NIL, 200, 7))
    assert [type(event) for event in decision.events] == [run_events.StepCompleted]
    assert decision.events[0].starts == (("two", 1),)  # type: ignore[attr-defined]
    assert decision.effects == (Begin(TWO, 1),)


def test_the_last_completion_ends_the_run_in_the_same_append() -> None:
    state = state_after(ACCEPTED, COMPLETED)
    decision = DECIDER.decide(state, run_messages.StepReturned(TWO, 1, NIL, 300, 7))
    assert [type(event) for event in decision.events] == [
        run_events.StepCompleted,
        run_events.RunCompleted,
    ]
    assert isinstance(decision.effects[0], Ended)


@pytest.mark.parametrize(
    ("events", "message"),
    [
        ((), run_messages.StepReturned(ONE, 1, NIL, 300, 0)),
        ((), run_messages.RetryDue(ONE, 300)),
        ((), run_messages.Release(((ONE, 1),), 300)),
        ((), run_messages.Proceed(ONE, 1, unbegun=True, now=300)),
        ((), resume()),
        ((ACCEPTED,), run_messages.StepReturned(ONE, 2, NIL, 300, 0)),
        ((ACCEPTED,), run_messages.StepReturned(TWO, 1, NIL, 300, 0)),
        ((ACCEPTED,), run_messages.RetryDue(ONE, 300)),
        ((ACCEPTED,), run_messages.Release(((ONE, 2), (TWO, 1)), 300)),
        ((ACCEPTED,), run_messages.Proceed(ONE, 2, unbegun=False, now=300)),
        ((ACCEPTED,), run_messages.Proceed(TWO, 1, unbegun=True, now=300)),
        ((ACCEPTED,), resume(cut_off=[(ONE, 1)], hold=True)),
        ((ACCEPTED,), resume(cut_off=[(ONE, 2), (TWO, 1)])),
        ((ACCEPTED, COMPLETED), run_messages.StepReturned(ONE, 1, NIL, 300, 0)),
        ((ACCEPTED, COMPLETED), run_messages.StepRaised(ONE, 1, "E", "late", 300, 0)),
        ((ACCEPTED, COMPLETED), run_messages.Proceed(ONE, 1, unbegun=False, now=300)),
        ((ACCEPTED, COMPLETED), run_messages.Proceed(ONE, 1, unbegun=True, now=300)),
        ((ACCEPTED, COMPLETED), resume(cut_off=[(ONE, 1)], unbegun=[(ONE, 1)])),
        ((ACCEPTED, FAILED_ONCE), run_messages.RetryDue(ONE, 10_000_199)),
        ((ACCEPTED, FAILED_ONCE), run_messages.RetryDue(ONE, 10_000_200, hold=True)),
        (
            (ACCEPTED, FAILED_ONCE),
            run_messages.StepRaised(ONE, 1, "StepTimeoutError", "late", 300, 0),
        ),
        ((ACCEPTED, COMPLETED, ENDED), run_messages.StepReturned(TWO, 1, NIL, 300, 0)),
        ((ACCEPTED, COMPLETED, ENDED), run_messages.RetryDue(TWO, 300)),
        ((ACCEPTED, COMPLETED, ENDED), run_messages.Release(((TWO, 1),), 300)),
        ((ACCEPTED, COMPLETED, ENDED), run_messages.Proceed(TWO, 1, unbegun=True, now=300)),
    ],
)
def test_what_is_out_of_date_changes_nothing(events: Any, message: Any) -> None:
    decision = DECIDER.decide(state_after(*events), message)
    assert list(decision.events) == []
    assert [effect for effect in decision.effects if not isinstance(effect, RetryAt)] == []


def test_a_retry_begins_when_it_is_due() -> None:
    state = state_after(ACCEPTED, FAILED_ONCE)
    assert DECIDER.unfinished(state) == ("running", 10_000_200)
    decision = DECIDER.decide(state, run_messages.RetryDue(ONE, 10_000_200))
    assert decision.events == (run_events.StepsStarted(10_000_200, (("one", 2),), "retry"),)
    assert decision.effects == (Begin(ONE, 2),)


def test_recovery_sets_the_timers_of_retries_again() -> None:
    decision = DECIDER.decide(state_after(ACCEPTED, FAILED_ONCE), resume())
    assert (list(decision.events), decision.effects) == ([], [RetryAt(ONE, 10_000_200)])


def test_recovery_tells_what_was_cut_off_from_what_never_began_and_from_what_must_wait() -> None:
    state = state_after(ACCEPTED, COMPLETED)
    again = DECIDER.decide(state, resume(cut_off=[(TWO, 1)]))
    assert again.events == [run_events.StepsStarted(900, (("two", 2),), "recovered")]
    assert again.effects == [Begin(TWO, 2)]
    unbegun = DECIDER.decide(state, resume(unbegun=[(TWO, 1)]))
    assert (list(unbegun.events), unbegun.effects) == ([], [Begin(TWO, 1)])
    waiting = DECIDER.decide(state, resume(cut_off=[(TWO, 1)], known=frozenset("x")))
    assert (list(waiting.events), waiting.effects) == ([], [AwaitType(TWO, 1, unbegun=False)])


def test_recovery_of_a_run_that_has_ended_tells_its_end() -> None:
    decision = DECIDER.decide(state_after(ACCEPTED, COMPLETED, ENDED), resume())
    assert isinstance(decision.effects[0], Ended)
    assert list(decision.events) == []


def test_while_the_system_closes_results_are_recorded_and_nothing_starts() -> None:
    decision = DECIDER.decide(
        state_after(ACCEPTED), run_messages.StepReturned(ONE, 1, NIL, 200, 7, hold=True)
    )
    assert decision.events[0].starts == ()  # type: ignore[attr-defined]
    assert decision.effects == ()
    held = DECIDER.decide(
        DECIDER.initial_state(),
        run_messages.AcceptRun("r", "a", PLAN.encoded, GIVEN, now=100, hold=True),
    )
    assert held.events[0].starts == ()  # type: ignore[attr-defined]


def test_only_a_run_that_has_ended_or_never_was_leaves_memory() -> None:
    assert DECIDER.at_rest(state_after())
    assert not DECIDER.at_rest(state_after(ACCEPTED))
    assert DECIDER.at_rest(state_after(ACCEPTED, COMPLETED, ENDED))
    assert DECIDER.unfinished(DECIDER.initial_state()) == ("", 0)
    assert DECIDER.unfinished(state_after(ACCEPTED)) == ("running", 0)
    assert DECIDER.unfinished(state_after(ACCEPTED, COMPLETED, ENDED)) == ("completed", 0)


def test_the_first_completion_five_minutes_after_the_last_mark_is_a_checkpoint() -> None:
    minute = 60_000_000
    steps = [{"name": f"s{i}", "type": "x"} for i in range(9)]
    plan = compile_definition({"name": "w", "steps": steps}, None)
    state = DECIDER.initial_state()
    for event in DECIDER.decide(
        state, run_messages.AcceptRun("r", "a", plan.encoded, GIVEN, now=0)
    ).events:
        state = DECIDER.evolve(state, event)
    marks = []
    for index, at in enumerate([4, 4.9, 5, 9.9, 10, 10, 10, 10, 10]):
        returned = run_messages.StepReturned(
            plan.by_name[f"s{index}"], 1, NIL, round(at * minute), 0
        )
        events = DECIDER.decide(state, returned).events
        marks.append(events[0].checkpoint)  # type: ignore[attr-defined]
        for event in events:
            state = DECIDER.evolve(state, event)
    assert marks == [0, 0, 2, 0, 3, 0, 0, 0, 0]
    assert (state.checkpoints, state.marked_at) == (3, 10 * minute)
