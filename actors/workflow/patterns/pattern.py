"""The port of a pattern: what the state machine of runs asks about a block; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    from indelible.actors.workflow.definition.fields import Problems
    from indelible.actors.workflow.definition.plan import Node


class Progress(Protocol):
    """How far a run has come, by the indexes of its plan's nodes.

    Attributes:
        status: Of each node, one of :mod:`indelible.actors.workflow.node_status`.
        next_child: How many children of a block have opened.
        unsettled: How many children of a block have no end yet.
    """

    @property
    def status(self) -> Sequence[int]: ...  # noqa: D102 - an attribute, as above

    @property
    def next_child(self) -> Mapping[int, int]: ...  # noqa: D102

    @property
    def unsettled(self) -> Mapping[int, int]: ...  # noqa: D102


class Pattern:
    """One kind of block; one object serves all blocks of all runs, and holds nothing of them.

    A child opens when its block does, or when another child settles; it settles once.  What a
    method is told of a child that settles is not in ``progress`` yet.

    Attributes:
        name: The ``pattern`` that a definition names.
        keys: Fields of such a block that no other has.
        sees_earlier: Whether a child sees the results of those that stand before it.
    """

    name: ClassVar[str]
    keys: ClassVar[tuple[str, ...]] = ()
    sees_earlier: ClassVar[bool]

    def fields(self, problems: Problems, place: str, source: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        """The stored form of ``keys``, defaults written out; what is wrong goes to ``problems``."""
        return {}

    def first(self, block: Node) -> Sequence[int]:
        """The children that open with the block."""
        raise NotImplementedError

    def following(self, progress: Progress, block: Node, child: Node) -> int | None:
        """The child that opens as ``child`` settles, which does not end the block."""
        raise NotImplementedError

    def end(self, progress: Progress, block: Node, child: Node, *, failed: bool) -> int | None:
        """The status that the block ends with as ``child`` settles; ``None`` if it goes on.

        What is pending then is skipped.
        """
        raise NotImplementedError

    def width(self, block: Node) -> int:
        """How many of its children may be open at once."""
        raise NotImplementedError

    def why_failed(self, block: Node, child: Node, message: str) -> str:  # noqa: ARG002
        """Why the block has failed, as ``child`` has with ``message``."""
        return message
