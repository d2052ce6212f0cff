"""Checks references: to steps when a plan is compiled, to the input when a run starts."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from indelible.actors.workflow.definition.field_checks import Problems, close_to, describe, join
from indelible.actors.workflow.definition.plan import RESULT_NAME, Node, Plan
from indelible.actors.workflow.definition.references import find_refs, missing_key, parse_ref
from indelible.errors import Problem

Where = Callable[[int, str], str]
"""The place in the source of a path inside the parameters of a node."""


def check_references(
    plan: Plan,
    problems: Problems,
    where: Where,
    place_of: Callable[[int], str],
    unclear: Collection[str],
) -> None:
    """Report each reference that is malformed or leads to a value that its step cannot read.

    ``place_of`` gives the place of a node itself.  References to names in ``unclear`` are not
    reported, because another problem reports these names.
    """
    for node in plan.nodes:
        if node.has_refs:
            for path, ref in find_refs(node.params):
                found, fix = _fault(plan, node, ref, unclear)
                if fix:
                    problems.add(where(node.index, path), found, fix)
        for path, ref in _other_references(plan, node):
            found, fix = _fault(plan, node, ref, unclear)
            if fix:
                problems.add(join(place_of(node.index), path), found, fix)


def _other_references(plan: Plan, node: Node) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The references outside of parameters, with their places."""
    if node.pattern is not None and node.pattern.keys:
        yield from node.pattern.block_references(node.source)
    pattern = plan.nodes[node.parent].pattern if node.parent >= 0 else None
    if pattern is not None and pattern.child_keys:
        yield from pattern.references(node.source)


def check_input(plan: Plan, input: Mapping[str, Any]) -> list[Problem]:  # noqa: A002 - a word of definitions
    """Problems of ``input`` for a run of ``plan``: keys hidden by steps, and missing references."""
    if not isinstance(input, Mapping):
        return [Problem("input", describe(input), "give a mapping")]
    found = [
        Problem(f"input.{key}", "a step of the same name", "rename the key or the step")
        for key in input
        if isinstance(key, str) and (key in plan.by_name or RESULT_NAME.fullmatch(key))
    ]
    whole = dict(input)
    for index, ref in plan.input_refs:
        missing = missing_key(whole, parse_ref(ref).keys)
        if missing:
            key, there = missing
            fix = f"step {plan.nodes[index].name!r} needs it; give it, or correct the reference"
            found.append(Problem(ref, f"no {key!r}: there is {there}", fix))
    return found


def _fault(
    plan: Plan, node: Node, ref: Mapping[str, Any], unclear: Collection[str]
) -> tuple[str, str]:
    """The fault of a reference and its correction; empty texts if it is valid."""
    if not ref.keys() <= {"ref", "failed"}:
        fix = 'a reference has the key ref alone, or failed; write {"literal": {…}} if this is data'
        return "a reference with other keys place_of it", fix
    text, failed = ref["ref"], ref.get("failed", "pass")
    if failed != "pass":
        return describe(failed), "write failed: pass to get the failure of that step as data"
    try:
        name = parse_ref(text).step
    except ValueError as error:
        return describe(text), f"{error}; write steps.NAME.path or input.path"
    if name is None and "failed" in ref:
        return repr(text), "only a reference to a step may have failed: pass"
    if name is None or name in unclear or plan.find(node.index, name) is not None:
        return "", ""
    return repr(text), _why_hidden(plan, node, name)


def _why_hidden(plan: Plan, node: Node, name: str) -> str:
    target = plan.by_name.get(name)
    if RESULT_NAME.fullmatch(name):
        return "its block has no such step before this one; step_<i>_result counts from 0"
    if target is None:
        return f"no step is named {name!r}; {close_to(name, plan.by_name)}"
    if target == node.index:
        return "a step cannot refer to itself"
    if plan.nodes[target].end > node.index > target:
        return "a step cannot refer to a block that it is part of"
    body = plan.nodes[plan.bodies.get(target, 0)]
    if not body.index <= node.index < body.end:
        name = plan.nodes[body.parent].name
        return f"{name!r} repeats it; refer to steps.{name}, the list of results, after this block"
    block = node
    while not block.index <= target < block.end:
        block = plan.nodes[block.parent]
    if block.pattern is not None and not block.pattern.sees_earlier:
        return f"{name!r} runs in parallel with it; put one after the other in a sequential block"
    return f"{name!r} comes later; move it before this step"
