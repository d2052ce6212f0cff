"""Creates the instances of the steps that a block repeats; changes a state in place.

An instance is a copy of the body's nodes behind all other nodes: equal events create equal
instances with equal indexes, so that indexes need not be recorded.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec.structs import replace

from indelible.actors.workflow.definition.plan import Node
from indelible.actors.workflow.state.run_state import NODE_TIMES, RunState

MAX_NODES: Final = 1_000_000
"""Nodes of a run with its instances: ten times the largest definition."""


def steps_in(state: RunState, block: Node) -> int:
    """How many steps one instance of the block's body has, without those it repeats itself."""
    bodies, nodes = state.plan.bodies, state.nodes
    body = nodes[block.body]
    return sum(
        node.kind == "step" and bodies[node.origin] == body.origin
        for node in nodes[body.index : body.end]
    )


def open_instances(state: RunState, index: int, count: int) -> None:
    """Create ``count`` instances of the body of the block at ``index``, all pending."""
    nodes = state.nodes
    assert isinstance(nodes, list)  # the state's own
    block = nodes[index]
    body = nodes[block.body]
    template = nodes[body.index : body.end]
    first, size = len(nodes), len(template)
    assert block.pattern is not None
    for number in range(count):
        mark = block.pattern.marker.format(number)
        _copy(nodes, template, index, number, (block.name + mark, block.path + mark))
    nodes[index] = replace(block, children=tuple(range(first, len(nodes), size)))
    state.next_child[index], state.unsettled[index] = 0, count
    state.status.extend(bytes(len(nodes) - first))
    state.times.extend(bytes(NODE_TIMES * (len(nodes) - first)))
    for node in nodes[first:]:
        state.by_path[node.path] = node.index
        state.attempts[node.index] = 0
        state.settled[node.index] = None
        if node.children:
            state.next_child[node.index], state.unsettled[node.index] = 0, len(node.children)


def _copy(
    nodes: list[Node], template: list[Node], block: int, number: int, names: tuple[str, str]
) -> None:
    """Append one instance; inner bodies stay bodies, at the paths of this instance."""
    body = template[0]
    shift, (name, path) = len(nodes) - body.index, names
    for node in template:
        own_path = path + node.path[len(body.path) :]
        copy = replace(
            node,
            index=node.index + shift,
            end=node.end + shift,
            label=own_path,
            path=own_path,
            parent=node.parent + shift,
            children=tuple([child + shift for child in node.children]),
            body=node.body and node.body + shift,
        )
        if node is body:
            copy = replace(copy, name=name, parent=block, order=number)
        nodes.append(copy)


def opened(state: RunState) -> list[tuple[int, int]]:
    """The blocks that have opened instances, and how many, in the order in which they did."""
    blocks = [node for node in state.nodes if node.body and node.children]
    blocks.sort(key=lambda block: block.children[0])
    return [(block.index, len(block.children)) for block in blocks]


def in_order(state: RunState) -> Iterator[Node]:
    """All nodes but bodies, in the order of the definition, instances in their blocks."""
    nodes = state.nodes
    if not state.plan.bodies:
        yield from nodes
        return
    waiting = [0]
    while waiting:
        node = nodes[waiting.pop()]
        yield node
        waiting.extend(reversed(node.children))
