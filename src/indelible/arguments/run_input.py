"""The input of a run: checked before the run is started, and stored with its definition."""

from __future__ import annotations

from typing import Any

from indelible.actors.workflow.definition.compile import check_input
from indelible.actors.workflow.definition.plan import Plan
from indelible.errors import DefinitionError, PayloadTooLargeError
from indelible.events.codec.conversions import encode_given
from indelible.events.codec.values import INLINE_LIMIT, decode_value, encode_value

_NO_INPUT = encode_value({})


def encode_input(plan: Plan, given: Any) -> bytes:
    """The encoded input of a run of ``plan``.

    Raises:
        DefinitionError: ``plan`` cannot be run with this input.
        ValueNotStorableError: The log cannot hold the input.
        PayloadTooLargeError: The input or the definition is too large.
    """
    problems = check_input(plan, {} if given is None else given)
    if problems and given is not None:  # after conversion to storable values it may be valid
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
