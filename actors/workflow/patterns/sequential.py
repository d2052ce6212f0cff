"""``sequential``: one child after the other; the first failure ends the block."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from indelible.actors.workflow.patterns.pattern import Pattern, Progress
from indelible.actors.workflow.state.node_status import COMPLETED, FAILED

if TYPE_CHECKING:
    from indelible.actors.workflow.definition.plan import Node


class Sequential(Pattern):
    """Opens one child after the other; each can read the results of the children before it."""

    name = "sequential"
    sees_earlier = True

    def first(self, block: Node) -> Sequence[int]:
        """The first child."""
        return block.children[:1]

    def following(self, progress: Progress, block: Node, child: Node) -> int | None:  # noqa: ARG002
        """The next child."""
        return block.children[child.order + 1]

    def end(self, progress: Progress, block: Node, child: Node, *, failed: bool) -> int | None:  # noqa: ARG002
        """A failure or the last child ends the block."""
        if failed:
            return FAILED
        return COMPLETED if child.order + 1 == len(block.children) else None

    def width(self, block: Node) -> int:  # noqa: ARG002
        """One."""
        return 1
