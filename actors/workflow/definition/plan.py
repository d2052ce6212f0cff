"""A compiled definition: an immutable tree of nodes that threads share and any process can rebuild.

A plan depends only on its encoded definition, so that a recovered run follows the plan that it was
started with, even if step types or rules of validation have changed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from indelible.actors.effects.retry_policy import RetryPolicy
from indelible.actors.workflow.patterns.pattern import Pattern

FORMATS = (1,)
DEFAULT_CHECKPOINT_STEPS = 5
DEFAULT_CHECKPOINT_SECONDS = 300

RESULT_NAME = re.compile(r"step_(0|[1-9][0-9]*)_result", re.ASCII)
"""``step_<i>_result``: child i (from 0) of the innermost block around the reader that allows it."""


class Node(msgspec.Struct, frozen=True, gc=False, eq=False):
    """A step or a block of a plan.

    Attributes:
        index: Place in ``Plan.nodes``; parents come before their children, in document order.
        end: Index after the last node below this one.
        name: Unique in the definition; the root has the workflow's name.
        label: Names it to people: its name, or the path if it is an instance.
        path: Names from below the root, joined by ``/``; the root's path is empty.
        kind: ``step``, or the name of the block's pattern.
        pattern: Pattern of a block; ``None`` for a step.
        parent: Index of the block around it; -1 for the root.
        children: Indexes of a block's children, in order.
        order: Place in its block, from 0.
        group: Order of the first child of its group, see :meth:`Pattern.group_of`.
        body: Index of the steps that a block repeats: a sequential block, no child; 0 for others.
        origin: Index of the node of the plan, if this is an instance of it; else ``index``.
        type: Step type; empty for a block.
        params: Parameters of a step, references unresolved; must not be changed.
        has_refs: Whether ``params`` contain references or literals, resolved before the step runs.
        timeout: Seconds that one attempt may take, or ``None``.
        retry: The retry policy.
        on_unknown: ``retry``, ``ask`` or ``fail``: what follows an attempt that a crash cut off.
        source: The normalised mapping that it was compiled from; must not be changed.
    """

    index: int
    end: int
    name: str
    label: str
    path: str
    kind: str
    pattern: Pattern | None
    parent: int
    children: tuple[int, ...]
    order: int
    group: int
    body: int
    origin: int
    type: str
    params: dict[str, Any]
    has_refs: bool
    timeout: float | None
    retry: RetryPolicy
    on_unknown: str
    source: Mapping[str, Any]


class Plan(msgspec.Struct, frozen=True, eq=False):
    """A compiled definition; two plans are equal if their encoded definitions are.

    Attributes:
        name: The workflow's name.
        nodes: The root block, then all other nodes, parents first, in document order.
        steps_total: How many nodes are steps, without those that blocks repeat.
        by_path: Index of each node by path; the root has the empty path.
        by_name: Index of each node by name, without the root and bodies.
        bodies: Index of the innermost body around each node that has one; a body is its own.
        checkpoint_steps: Completions from one checkpoint to the next.
        checkpoint_seconds: Seconds after which the next completion is a checkpoint anyway.
        encoded: The normalised definition; equal definitions have equal bytes.
        digest: sha256 of ``encoded``.
        step_types: All types that its steps name.
        input_refs: (node, reference) for each reference to the input that is always needed.
        blocks: How many children each block has, by index.
        chooses: Whether values decide if a step or block opens, or how often.
    """

    name: str
    nodes: tuple[Node, ...]
    steps_total: int
    by_path: dict[str, int]
    by_name: dict[str, int]
    bodies: dict[int, int]
    checkpoint_steps: int
    checkpoint_seconds: int
    encoded: bytes
    digest: bytes
    step_types: frozenset[str]
    input_refs: tuple[tuple[int, str], ...]
    blocks: dict[int, int]
    chooses: bool

    def __eq__(self, other: object) -> bool:
        """Whether both have the same definition."""
        return isinstance(other, Plan) and self.encoded == other.encoded

    def __hash__(self) -> int:
        """Equal plans have equal hashes."""
        return hash(self.digest)

    def find(self, reader: int, name: str, nodes: Sequence[Node] = ()) -> int | None:
        """The node that step ``reader`` may read as ``name``: it has ended before the step starts.

        Visible are the earlier children of each block around ``reader`` whose pattern lets children
        read earlier results, all nodes inside these children, and ``step_<i>_result``.  Inside an
        instance, names of its body mean nodes of the same instance; from outside they are hidden.

        Args:
            reader: Index of the step or block that reads.
            name: Name of a node, or its place.
            nodes: The nodes of a run, if it has opened instances; by default those of the plan.
        """
        nodes = nodes or self.nodes
        target = self.by_name.get(name)
        if target is None:
            return self._find_by_place(nodes, reader, name)
        body = self.bodies.get(target, 0) if self.bodies else 0
        branch = nodes[reader]
        while branch.parent >= 0:
            block = nodes[branch.parent]
            found = target + block.index - block.origin
            if block.index <= found < block.end:  # the innermost block that holds both
                earlier = block.index < found < branch.index
                return found if earlier and body <= block.origin and _sees_earlier(block) else None
            branch = block
        return None

    def visible(self, reader: int, nodes: Sequence[Node] = ()) -> Iterator[str]:
        """All names that :meth:`find` knows for ``reader``, in document order, each once."""
        nodes = nodes or self.nodes
        spans: list[tuple[Node, int]] = []
        branch = nodes[reader]
        places = -1
        while branch.parent >= 0:
            block = nodes[branch.parent]
            if _sees_earlier(block):
                spans.append((block, branch.index))
                if places < 0:
                    places = branch.order
            branch = block
        for block, end in reversed(spans):
            for node in nodes[block.index + 1 : end]:
                if self.bodies.get(node.origin, 0) <= block.origin:
                    yield node.name
        for place in range(places):
            yield f"step_{place}_result"

    def _find_by_place(self, nodes: Sequence[Node], reader: int, name: str) -> int | None:
        match = RESULT_NAME.fullmatch(name)
        if match is None:
            return None
        branch = nodes[reader]
        while branch.parent >= 0:
            block = nodes[branch.parent]
            if _sees_earlier(block):
                digits = match[1]
                if len(digits) > len(str(branch.order)) or int(digits) >= branch.order:
                    return None
                return block.children[int(digits)]
            branch = block
        return None


def _sees_earlier(block: Node) -> bool:
    return block.pattern is not None and block.pattern.sees_earlier
