"""What a run is given: looked at before it is started, and stored with its definition."""

from __future__ import annotations

from typing import Any

from indelible.actors.workflow.definition.compile import check_input
from indelible.actors.workflow.definition.plan import Plan
from indelible.errors import DefinitionError, PayloadTooLargeError
from indelible.events.codec.conversions import encode_given
from indelible.events.codec.values import INLINE_LIMIT, decode_value, encode_value

_NO_INPUT = encode_value({})


def encode_input(plan: Plan, given: Any) -> bytes:
    """The bytes of a run's input, which are stored with its definition.

    Raises:
        DefinitionError: ``plan`` cannot be run with it.
        ValueNotStorableError: The log cannot hold it.
        PayloadTooLargeError: It is too large, or the definition.
    """
    problems = check_input(plan, {} if given is None else given)
    if problems and given is not None:  # by the rule for values of other kinds it may be fine
        problems = check_input(plan, decode_value(_encode(plan, given)))
    if problems:
        raise DefinitionError(plan.name, problems)
    return _encode(plan, given)


def _encode(plan: Plan, given: Any) -> bytes:
    encoded = _NO_INPUT if given is None else encode_given(given)
    for what, size in (("the input", len(encoded)), ("the definition", len(plan.encoded))):
        if size > INLINE_LIMIT:
            raise PayloadTooLargeError(what, size, INLINE_LIMIT)
    return encoded
