"""``parallel``: children run at once, up to a width; a failed child is an entry of the result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from indelible.actors.workflow.definition import field_checks
from indelible.actors.workflow.patterns.pattern import Pattern, Progress
from indelible.actors.workflow.state.node_status import COMPLETED, FAILED

if TYPE_CHECKING:
    from indelible.actors.workflow.definition.plan import Node

DEFAULT_WIDTH = 256
MAX_WIDTH = 10_000

_POLICIES = ("collect",)
_LATER_POLICIES = ("fail_fast", "quorum")


class Parallel(Pattern):
    """Opens children at once; no child can read the result of another child.

    With policy ``collect`` a failed child does not end its block; the block fails if no child has
    a result.
    """

    name = "parallel"
    keys = ("policy", "width")
    sees_earlier = False

    def fields(
        self, problems: field_checks.Problems, place: str, source: Mapping[str, Any]
    ) -> dict[str, Any]:
        """``policy`` and ``width``."""
        policy, width = source.get("policy", "collect"), source.get("width", DEFAULT_WIDTH)
        path = field_checks.join(place, "policy")
        return {
            "policy": field_checks.choice(problems, path, policy, _POLICIES, _LATER_POLICIES),
            "width": field_checks.integer(
                problems, field_checks.join(place, "width"), width, 1, MAX_WIDTH
            ),
        }

    def first(self, block: Node) -> Sequence[int]:
        """As many children as the width allows."""
        return block.children[: self.width(block)]

    def following(self, progress: Progress, block: Node, child: Node) -> int | None:  # noqa: ARG002
        """The next child that has not opened."""
        opened = progress.next_child[block.index]
        return block.children[opened] if opened < len(block.children) else None

    def end(self, progress: Progress, block: Node, child: Node, *, failed: bool) -> int | None:
        """The last child to settle ends the block; the block fails if no child has a result."""
        if progress.unsettled[block.index] > 1:
            return None
        status, last = progress.status, child.index
        alone = failed and all(status[other] == FAILED for other in block.children if other != last)
        return FAILED if alone else COMPLETED

    def width(self, block: Node) -> int:
        """The ``width`` of the definition."""
        width: int = block.source["width"]
        return width

    def why_failed(self, block: Node, child: Node, message: str) -> str:
        """The last error, and that all other children failed, too."""
        count = len(block.children)
        return f"all {count} steps of {block.name!r} failed, {child.name!r} last: {message}"
