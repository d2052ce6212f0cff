"""The port of a pattern: what the state machine of runs asks about a block; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    from indelible.actors.workflow.definition.field_checks import Problems
    from indelible.actors.workflow.definition.plan import Node, Plan


class Progress(Protocol):
    """How far a run has come, by the indexes of its plan's nodes.

    Attributes:
        plan: What the indexes refer to.
        status: Of each node, one of :mod:`indelible.actors.workflow.state.node_status`.
        next_child: How many children of a block have opened.
        unsettled: How many children of a block have no end yet.
    """

    @property
    def plan(self) -> Plan: ...  # noqa: D102 - an attribute, as above

    @property
    def status(self) -> Sequence[int]: ...  # noqa: D102

    @property
    def next_child(self) -> Mapping[int, int]: ...  # noqa: D102

    @property
    def unsettled(self) -> Mapping[int, int]: ...  # noqa: D102


class Values(Protocol):
    """What the definition of a child can refer to, at the moment when the child would open."""

    def resolve(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """``params`` with each reference in them replaced by its value.

        Raises:
            StepDataError: One leads nowhere.
            FailedReferenceError: One leads to a step without a result.
        """
        ...

    def exists(self, name: str) -> bool:
        """Whether the input has a key, or an earlier step a result, of this name."""
        ...


class Pattern:
    """One kind of block; one object serves all blocks of all runs, and holds nothing of them.

    A child opens when its block does, or when another child settles; it settles once.  When
    :meth:`end` is asked, the child that settles still counts as unsettled; when :meth:`following`
    is asked, it may or may not.

    Attributes:
        name: The ``pattern`` that a definition names.
        keys: Fields of such a block that no other has.
        child_keys: Fields of the children of such a block.
        sees_earlier: Whether a child sees the results of those that stand before it.
        ends_early: Whether a block may end with children that have no end, though none failed.
        chooses: Whether a child may be skipped where it would open, see :meth:`skip_reason`.
    """

    name: ClassVar[str]
    keys: ClassVar[tuple[str, ...]] = ()
    child_keys: ClassVar[tuple[str, ...]] = ()
    sees_earlier: ClassVar[bool]
    ends_early: ClassVar[bool] = False
    chooses: ClassVar[bool] = False

    def fields(self, problems: Problems, place: str, source: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        """The stored form of ``keys``, defaults written out; what is wrong goes to ``problems``."""
        return {}

    def child_fields(
        self,
        problems: Problems,  # noqa: ARG002
        place: str,  # noqa: ARG002
        source: Mapping[str, Any],  # noqa: ARG002
        order: int,  # noqa: ARG002
    ) -> dict[str, Any]:
        """As :meth:`fields`, of ``child_keys``; ``source`` is the ``order``-th child, from 0."""
        return {}

    def references(
        self,
        child: Mapping[str, Any],  # noqa: ARG002
    ) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Each reference in the child's fields of the block, with its place."""
        return iter(())

    def skip_reason(self, progress: Progress, block: Node, child: Node, values: Values) -> str:  # noqa: ARG002
        """Why ``child`` is skipped where it would open; empty if it opens.

        Only asked if the pattern ``chooses``.  What it raises is the child's failure, but for what
        ``values`` cannot know yet.
        """
        return ""

    def first(self, block: Node) -> Sequence[int]:
        """The children that open with the block."""
        raise NotImplementedError

    def following(self, progress: Progress, block: Node, child: Node) -> int | None:
        """The child that opens as ``child`` settles, which does not end the block."""
        raise NotImplementedError

    def end(self, progress: Progress, block: Node, child: Node, *, failed: bool) -> int | None:
        """The status that the block ends with as ``child`` settles; ``None`` if it goes on.

        Asked when ``child`` is the last to settle or has failed, else only if it ``ends_early``.
        What is pending then is skipped.
        """
        raise NotImplementedError

    def width(self, block: Node) -> int:
        """How many of its children may be open at once."""
        raise NotImplementedError

    def why_failed(self, block: Node, child: Node, message: str) -> str:  # noqa: ARG002
        """Why the block has failed, as ``child`` has with ``message``."""
        return message
