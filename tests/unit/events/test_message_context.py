"""How a context follows from another one."""

from __future__ import annotations

import pytest

from indelible.events.model.message_context import (
    CAUSE_LIMIT,
    NO_CONTEXT,
    Context,
    at_time,
    caused_by,
    inherited,
    merged,
)

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
FULL = Context("req-1", "evt-1", "ada", "acme", "rent", PARENT, "a=1", "shop")


def test_nothing_can_be_changed() -> None:
    with pytest.raises(AttributeError):
        FULL.principal = "ben"  # type: ignore[misc] # that is what is tested


def test_what_is_given_comes_before_what_is_around() -> None:
    assert merged(FULL, Context(principal="ben", reason="food")) == Context(
        "req-1", "evt-1", "ben", "acme", "food", PARENT, "a=1", "shop"
    )
    assert merged(FULL, NO_CONTEXT) == FULL
    assert merged(NO_CONTEXT, FULL) is FULL


def test_the_state_of_a_trace_goes_with_its_parent() -> None:
    other = PARENT.replace("7", "6")
    assert merged(FULL, Context(traceparent=other)).tracestate == ""
    both = Context(traceparent=other, tracestate="b=2")
    assert merged(FULL, both).tracestate == "b=2"


def test_a_run_inherits_all_but_what_caused_its_start() -> None:
    assert inherited(FULL) == Context("req-1", "", "ada", "acme", "rent", PARENT, "a=1", "shop")
    alone = Context(principal="ada")
    assert inherited(alone) is alone


def test_what_an_event_causes_has_it_for_its_cause_and_the_rest_as_it_was() -> None:
    assert caused_by(FULL, "account-7/3", identity="7") == Context(
        "req-1", "account-7/3", "ada", "acme", "rent", PARENT, "a=1", "shop"
    )


def test_the_actor_of_a_request_without_an_id_stands_for_it() -> None:
    assert caused_by(NO_CONTEXT, "", identity="7", agent="etl") == Context("7", agent="etl")


def test_a_message_that_caused_no_event_passes_its_own_cause_on() -> None:
    assert caused_by(FULL, "", identity="7").causation_id == "evt-1"


def test_a_cause_is_not_longer_than_one_may_be() -> None:
    caused = caused_by(FULL, "run-1/" + "x" * CAUSE_LIMIT, identity="1")
    assert len(caused.causation_id) == CAUSE_LIMIT


def test_decide_sees_the_same_and_the_time() -> None:
    seen = at_time(17, FULL)
    assert seen.now == 17
    assert [getattr(seen, name) for name in Context.__struct_fields__] == [
        getattr(FULL, name) for name in Context.__struct_fields__
    ]
