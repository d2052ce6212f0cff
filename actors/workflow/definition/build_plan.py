"""Builds the plan of a normalised definition, which is not checked again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from indelible.actors.effects.retry_policy import RetryPolicy
from indelible.actors.workflow.definition.plan import (
    DEFAULT_CHECKPOINT_SECONDS,
    DEFAULT_CHECKPOINT_STEPS,
    FORMATS,
    Node,
    Plan,
)
from indelible.actors.workflow.definition.references import find_refs, needs_resolving
from indelible.actors.workflow.definition.vocabulary import BODY_PATTERN, PATTERNS
from indelible.actors.workflow.patterns.pattern import Pattern
from indelible.errors import DefinitionError, Problem
from indelible.events.codec.values import decode_value

NO_RETRY = RetryPolicy()


def plan_from_encoded(encoded: bytes) -> Plan:
    """The plan of a stored definition, whether or not its step types are registered.

    Raises:
        DefinitionError: This version does not support its format.
        ValueDecodeError: The bytes are damaged.
    """
    definition = decode_value(encoded)
    found = definition.get("format") if type(definition) is dict else definition
    if type(definition) is not dict or found not in FORMATS:
        known = ", ".join(map(str, FORMATS))
        raise DefinitionError(
            "stored",
            [Problem("format", repr(found), f"this version runs format {known}; use a newer one")],
        )
    return build_plan(definition, encoded)


def build_plan(definition: Mapping[str, Any], encoded: bytes) -> Plan:
    """The plan of a normalised definition, which is not checked again."""
    nodes: list[Node] = []
    input_refs: list[tuple[int, str]] = []
    _add(nodes, input_refs, definition, -1, 0, 0, "")
    checkpoint = definition.get("checkpoint") or {}
    by_name: dict[str, int] = {}
    bodies: dict[int, int] = {}
    for node in nodes[1:]:
        if node.index == nodes[node.parent].body:
            bodies |= dict.fromkeys(range(node.index, node.end), node.index)  # inner ones last
        else:
            by_name.setdefault(node.name, node.index)
    return Plan(
        name=definition["name"],
        nodes=tuple(nodes),
        steps_total=sum(node.kind == "step" and node.index not in bodies for node in nodes),
        by_path={node.path: node.index for node in nodes},
        by_name=by_name,
        bodies=bodies,
        checkpoint_steps=checkpoint.get("every_steps", DEFAULT_CHECKPOINT_STEPS),
        checkpoint_seconds=checkpoint.get("every_seconds", DEFAULT_CHECKPOINT_SECONDS),
        encoded=encoded,
        digest=sha256(encoded).digest(),
        step_types=frozenset(node.type for node in nodes if node.kind == "step"),
        input_refs=tuple(input_refs),
        chooses=any(
            node.pattern is not None and (node.pattern.chooses or node.pattern.repeats)
            for node in nodes
        ),
        blocks={node.index: len(node.children) for node in nodes if node.children},
    )


def _groups(pattern: Pattern | None, children: Sequence[Mapping[str, Any]]) -> Sequence[int]:
    """The group of each child."""
    if pattern is None or not pattern.chooses:
        return range(len(children))
    groups: list[int] = []
    for order, child in enumerate(children):
        groups.append(pattern.group_of(child, order, groups[-1] if groups else 0))
    return groups


def _add(
    nodes: list[Node],
    input_refs: list[tuple[int, str]],
    source: Mapping[str, Any],
    parent: int,
    order: int,
    group: int,
    path: str,
    *,
    optional: bool = False,
) -> int:
    """Append the node of ``source`` and all nodes below it; returns the first index.

    References of an ``optional`` node need not resolve, because the node may be skipped.
    """
    index = len(nodes)
    kind = source.get("pattern", "step")
    params: dict[str, Any] = source.get("params") or {}
    has_refs = needs_resolving(params)
    if has_refs and not optional:
        found = (str(ref["ref"]) for _, ref in find_refs(params))
        input_refs.extend((index, ref) for ref in found if ref.split(".", 1)[0] == "input")
    children: tuple[int, ...] = ()
    body = 0
    pattern = PATTERNS.get(kind)
    if pattern is not None and not optional:
        found = (str(ref["ref"]) for _, ref in pattern.block_references(source))
        input_refs.extend((index, ref) for ref in found if ref.split(".", 1)[0] == "input")
    if pattern is not None and pattern.repeats:
        nodes.append(None)  # type: ignore[arg-type] # its place, filled below
        body = index + 1
        mark = pattern.marker.format("")
        steps = {"name": source["name"] + mark, "pattern": BODY_PATTERN, "steps": source["steps"]}
        _add(nodes, input_refs, steps, index, 0, 0, path + mark, optional=True)
    elif kind != "step":
        nodes.append(None)  # type: ignore[arg-type] # its place, filled below
        below = f"{path}/" if path else ""
        keys = frozenset(PATTERNS[kind].child_keys) if kind in PATTERNS else frozenset()
        groups = _groups(pattern, source["steps"])
        children = tuple(
            _add(
                nodes,
                input_refs,
                child,
                index,
                place,
                groups[place],
                below + child["name"],
                optional=optional or not keys.isdisjoint(child),
            )
            for place, child in enumerate(source["steps"])
        )
    retry = source.get("retry")
    node = Node(
        index=index,
        end=max(len(nodes), index + 1),
        name=source["name"],
        label=source["name"],
        path=path,
        kind=kind,
        pattern=pattern,
        parent=parent,
        children=children,
        order=order,
        group=group,
        body=body,
        origin=index,
        type=source.get("type", ""),
        params=params,
        has_refs=has_refs,
        timeout=source.get("timeout"),
        retry=RetryPolicy(**retry) if retry else NO_RETRY,
        on_unknown=source.get("on_unknown_outcome", "retry"),
        source=source,
    )
    if kind == "step":
        nodes.append(node)
    else:
        nodes[index] = node
    return index
