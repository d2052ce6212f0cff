"""``conditional``: children in order, each if its condition is met; if, else if, else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from indelible.actors.workflow.definition import field_checks
from indelible.actors.workflow.patterns.conditions import (
    check_condition,
    is_met,
    references_in,
    stored_condition,
)
from indelible.actors.workflow.patterns.pattern import Progress, Values
from indelible.actors.workflow.patterns.sequential import Sequential
from indelible.actors.workflow.state.node_status import SKIPPED

if TYPE_CHECKING:
    from indelible.actors.workflow.definition.plan import Node

NOT_MET = "condition_not_met"
"""The reason of a child that its condition, or an earlier condition of its chain, has skipped."""


_SKIPPED = bytes((SKIPPED,))

_IF = "write the condition under condition"
_ELIF = "write else: true, and the condition under condition"


class Conditional(Sequential):
    """Opens its children in order, each only if its ``condition`` is met.

    A child with ``else: true`` continues the chain of the child before it: it opens only if no
    earlier child of the chain has opened, and if its own condition, if any, is met.
    """

    name = "conditional"
    child_keys = ("condition", "else")
    mistaken_keys: ClassVar[Mapping[str, str]] = {
        "if": _IF,
        "when": _IF,
        **dict.fromkeys(("elif", "elseif", "else_if"), _ELIF),
    }
    chooses = True

    def child_fields(
        self, problems: field_checks.Problems, place: str, source: Mapping[str, Any], order: int
    ) -> dict[str, Any]:
        """``condition`` and ``else``."""
        stored: dict[str, Any] = {}
        if "condition" in source:
            path = field_checks.join(place, "condition")
            if check_condition(problems, path, source["condition"]):
                stored["condition"] = stored_condition(source["condition"])
        other, path = source.get("else", False), field_checks.join(place, "else")
        if type(other) is not bool:
            problems.add(path, field_checks.describe(other), "write else: true")
        elif other and order == 0:
            problems.add(
                path, "else on the first child", "put it after the child that it belongs to"
            )
        elif other:
            stored["else"] = True
        return stored

    def references(self, child: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """The paths in the child's condition, and the references in its values."""
        condition = child.get("condition")
        return iter(()) if condition is None else references_in(condition, "condition")

    def group_of(self, child: Mapping[str, Any], order: int, before: int) -> int:
        """The first child of its chain."""
        return before if "else" in child else order

    def skip_reason(self, progress: Progress, block: Node, child: Node, values: Values) -> str:
        """Why ``child`` is skipped: at most one child of a chain opens."""
        if child.group < child.order:
            first = block.children[child.group]
            if bytes(progress.status[first : child.index]).strip(_SKIPPED):  # a long chain: in C
                return NOT_MET
        condition = child.source.get("condition")
        return "" if condition is None or is_met(condition, values, child.name) else NOT_MET
