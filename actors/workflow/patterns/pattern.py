"""The port of a pattern: the questions of the runs' state machine about a block; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    from indelible.actors.workflow.definition.field_checks import Problems
    from indelible.actors.workflow.definition.plan import Node, Plan


class Progress(Protocol):
    """The progress of a run, by the indexes of its plan's nodes.

    Attributes:
        plan: The plan with these indexes.
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
    """The values that a child's definition can refer to, at the moment when it would open."""

    def resolve(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """``params`` with each reference in them replaced by its value.

        Raises:
            StepDataError: The path of a reference does not exist.
            FailedReferenceError: A reference leads to a step without a result.
        """
        ...

    def exists(self, name: str) -> bool:
        """Whether the input has a key, or an earlier step a result, of this name."""
        ...


class Pattern:
    """One kind of block; one object without state serves all blocks of all runs.

    A child opens when its block opens, or when another child settles; it settles once.  When
    :meth:`end` is called, the child that settles still counts as unsettled; when :meth:`following`
    is called, it may or may not.

    Attributes:
        name: The ``pattern`` that a definition names.
        keys: Fields that only blocks of this pattern have.
        child_keys: Fields of the children of such a block.
        sees_earlier: Whether a child can read the results of the children before it.
        ends_early: Whether a block may end with unsettled children although no child failed.
        chooses: Whether a child may be skipped instead of opened, see :meth:`skip_reason`.
    """

    name: ClassVar[str]
    keys: ClassVar[tuple[str, ...]] = ()
    child_keys: ClassVar[tuple[str, ...]] = ()
    sees_earlier: ClassVar[bool]
    ends_early: ClassVar[bool] = False
    chooses: ClassVar[bool] = False

    def fields(self, problems: Problems, place: str, source: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        """The stored form of ``keys``, with defaults; faults are added to ``problems``."""
        return {}

    def child_fields(
        self,
        problems: Problems,  # noqa: ARG002
        place: str,  # noqa: ARG002
        source: Mapping[str, Any],  # noqa: ARG002
        order: int,  # noqa: ARG002
    ) -> dict[str, Any]:
        """As :meth:`fields`, for ``child_keys``; ``source`` is the ``order``-th child, from 0."""
        return {}

    def references(
        self,
        child: Mapping[str, Any],  # noqa: ARG002
    ) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Each reference in the child's ``child_keys``, with its place."""
        return iter(())

    def skip_reason(self, progress: Progress, block: Node, child: Node, values: Values) -> str:  # noqa: ARG002
        """Why ``child`` is skipped instead of opened; empty if it opens.

        Only called if the pattern ``chooses``.  An exception is the child's failure, unless
        ``values`` raised it because a value must be read first.
        """
        return ""

    def first(self, block: Node) -> Sequence[int]:
        """The children that open with the block."""
        raise NotImplementedError

    def following(self, progress: Progress, block: Node, child: Node) -> int | None:
        """The child that opens when ``child`` settles and does not end the block."""
        raise NotImplementedError

    def end(self, progress: Progress, block: Node, child: Node, *, failed: bool) -> int | None:
        """The status with which the block ends when ``child`` settles; ``None`` if it continues.

        Called when ``child`` is the last to settle or has failed, otherwise only if the pattern
        ``ends_early``.  Pending children are then skipped.
        """
        raise NotImplementedError

    def width(self, block: Node) -> int:
        """How many children may be open at once."""
        raise NotImplementedError

    def why_failed(self, block: Node, child: Node, message: str) -> str:  # noqa: ARG002
        """The block's error text after ``child`` has failed with ``message``."""
        return message
