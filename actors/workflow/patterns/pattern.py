"""The port of a pattern: the questions of the runs' state machine about a block; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    from indelible.actors.workflow.definition.field_checks import Problems
    from indelible.actors.workflow.definition.plan import Node


class Progress(Protocol):
    """The progress of a run, by the indexes of its nodes.

    Attributes:
        nodes: The nodes of the plan, then the instances that the run has opened.
        status: Of each node, one of :mod:`indelible.actors.workflow.state.node_status`.
        next_child: How many children of a block have opened.
        unsettled: How many children of a block have no end yet.
    """

    @property
    def nodes(self) -> Sequence[Node]: ...  # noqa: D102 - an attribute, as above

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

    A child opens when its block opens, or when another child settles; it settles once.  The
    children of a block that repeats its steps are instances of all of them.  When :meth:`end` is
    called, the child that settles still counts as unsettled; when :meth:`following` is called, it
    may or may not.

    Attributes:
        name: The ``pattern`` that a definition names.
        keys: Fields that only blocks of this pattern have.
        child_keys: Fields of the children of such a block.
        mistaken_keys: Words of other languages for ``child_keys``, each with the correction.
        sees_earlier: Whether a child can read the results of the children before it.
        ends_early: Whether a block may end with unsettled children although no child failed.
        chooses: Whether a child may be skipped instead of opened, see :meth:`skip_reason`.
        repeats: Whether the block opens its steps several times, see :meth:`instances`.
        marker: How the name of an instance ends, such as ``[{}]`` or ``#{}``.
    """

    name: ClassVar[str]
    keys: ClassVar[tuple[str, ...]] = ()
    child_keys: ClassVar[tuple[str, ...]] = ()
    mistaken_keys: ClassVar[Mapping[str, str]] = MappingProxyType({})
    sees_earlier: ClassVar[bool]
    ends_early: ClassVar[bool] = False
    chooses: ClassVar[bool] = False
    repeats: ClassVar[bool] = False
    marker: ClassVar[str] = ""

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

    def block_references(
        self,
        block: Mapping[str, Any],  # noqa: ARG002
    ) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Each reference in the block's ``keys``, with its place."""
        return iter(())

    def references(
        self,
        child: Mapping[str, Any],  # noqa: ARG002
    ) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Each reference in the child's ``child_keys``, with its place."""
        return iter(())

    def group_of(
        self,
        child: Mapping[str, Any],  # noqa: ARG002
        order: int,
        before: int,  # noqa: ARG002
    ) -> int:
        """The order of the first child of the group of the ``order``-th child, from 0.

        ``before`` is the answer for the child before.  Only called if the pattern ``chooses``.
        """
        return order

    def skip_reason(self, progress: Progress, block: Node, child: Node, values: Values) -> str:  # noqa: ARG002
        """Why ``child`` is skipped instead of opened; empty if it opens.

        Only called if the pattern ``chooses``.  An exception is the child's failure, unless
        ``values`` raised it because a value must be read first.
        """
        return ""

    def instances(self, block: Node, values: Values) -> int:
        """How many instances of its body ``block`` opens; without any it completes at once.

        Only called if the pattern ``repeats``, once, when the block would open: the answer is
        recorded.  An exception is the block's failure, as in :meth:`skip_reason`.
        """
        raise NotImplementedError

    def result(self, values: Sequence[tuple[str, Any]]) -> Any:
        """The value of a block from its children's names and values, in order."""
        return [value for _, value in values] if self.repeats else dict(values)

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
