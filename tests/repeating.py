"""Two patterns that repeat their steps, for tests: one after the other, and all at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from indelible.actors.workflow.definition import field_checks as fields
from indelible.actors.workflow.definition import normalise, vocabulary
from indelible.actors.workflow.definition.references import find_refs
from indelible.actors.workflow.patterns.parallel import Parallel
from indelible.actors.workflow.patterns.pattern import Pattern, Values
from indelible.actors.workflow.patterns.sequential import Sequential
from indelible.errors import StepDataError

if TYPE_CHECKING:
    from indelible.actors.workflow.definition.plan import Node


class _Counted(Pattern):
    """The field ``keys[0]`` is how often a block repeats its steps, or a list of that many."""

    repeats = True

    def fields(
        self, problems: fields.Problems, place: str, source: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The number, the list, or a reference to one of them."""
        [key] = self.keys
        if key not in source:
            problems.add(fields.join(place, key), "nothing", "say how often")
        return {key: source.get(key), "width": source.get("width", 256)}

    def block_references(self, block: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """The reference, if there is one."""
        return find_refs({key: block[key] for key in self.keys})

    def instances(self, block: Node, values: Values) -> int:
        """The number, or the length of the list."""
        [key] = self.keys
        found = values.resolve({key: block.source[key]})[key]
        if type(found) is list:
            return len(found)
        if type(found) is not int:
            raise StepDataError(block.label, f"{key} is {found!r}", "give a number or a list")
        return found


class Repeat(_Counted, Sequential):
    """Repeats its steps one round after the other; the first failure ends the block."""

    name = "repeat"
    keys = ("times",)
    sees_earlier = False
    marker = "#{}"


class Each(_Counted, Parallel):
    """Repeats its steps for all items at once; a failed one is an entry of the result."""

    name = "each"
    keys = ("items",)  # type: ignore[assignment] # Parallel has two
    marker = "[{}]"


@contextmanager
def repeating_patterns() -> Iterator[None]:
    """Let definitions use both, as if the vocabulary listed them."""
    patterns: list[Pattern] = [Repeat(), Each()]
    keys = {key: pattern.name for pattern in patterns for key in pattern.keys}
    with ExitStack() as stack:
        put = stack.enter_context
        put(patch.dict(vocabulary.PATTERNS, {pattern.name: pattern for pattern in patterns}))
        put(patch.dict(vocabulary.PATTERN_KEYS, keys))
        for name in ("BLOCK_KEYS", "ROOT_KEYS"):
            put(patch.object(normalise, name, (*getattr(normalise, name), *keys)))
        yield
