"""Conditions as data: nothing in them is executed, and every part of one is checked beforehand.

``{"path": REFERENCE, "op": ..., "value": ...}`` with the comparisons of ``data_processing``,
``{"all": [...]}``, ``{"any": [...]}``, ``{"not": ...}``, ``{"type": "always_true"}`` and
``{"type": "context_key_exists", "key": NAME}``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from indelible.actors.step_types.data_processing.predicates import build_predicate, check_predicate
from indelible.actors.step_types.data_processing.table import Table
from indelible.actors.workflow.definition.fields import Problems, close_to, describe
from indelible.actors.workflow.patterns.pattern import Values

_TYPES = ("always_true", "context_key_exists")
_LATER_TYPES = ("iteration_limit", "expression")
_KEYS = {"always_true": ("type",), "context_key_exists": ("type", "key")}
_DEPTH = 20
_HOW = "write {path: steps.NAME.path, op: ..., value: ...}, all, any, not, or {type: ...}"


def check_condition(problems: Problems, place: str, condition: Any, depth: int = 0) -> bool:
    """Whether ``condition`` is one; if not, what is wrong goes to ``problems``."""
    if not isinstance(condition, Mapping) or depth > _DEPTH:
        found = describe(condition) if depth <= _DEPTH else f"more than {_DEPTH} in each other"
        problems.add(place, found, _HOW)
        return False
    if "type" in condition:
        return _check_typed(problems, place, condition)
    joined = [key for key in ("all", "any", "not") if key in condition]
    if not joined:
        return _check_comparison(problems, place, condition)
    key, *others = joined
    inner = condition[key]
    if others or len(condition) > 1:
        problems.add(place, f"{key!r} with other keys", "write it alone, and nest the others")
        return False
    if key == "not":
        return check_condition(problems, f"{place}.not", inner, depth + 1)
    if not isinstance(inner, list) or not inner:
        problems.add(f"{place}.{key}", describe(inner), "write a list of conditions")
        return False
    found_good = [
        check_condition(problems, f"{place}.{key}[{index}]", part, depth + 1)
        for index, part in enumerate(inner)
    ]
    return all(found_good)


def _check_typed(problems: Problems, place: str, condition: Mapping[str, Any]) -> bool:
    kind = condition["type"]
    if not isinstance(kind, str) or kind not in _TYPES:
        later = kind in _LATER_TYPES
        found = f"{kind!r}, which is not available yet" if later else describe(kind)
        problems.add(f"{place}.type", found, close_to(kind, _TYPES))
        return False
    good = True
    for key in condition:
        if key not in _KEYS[kind]:
            problems.add(f"{place}.{key}", "an unknown field", close_to(key, _KEYS[kind]))
            good = False
    name = condition.get("key")
    if kind == "context_key_exists" and (not isinstance(name, str) or not name):
        problems.add(f"{place}.key", describe(name), "name a key of the input, or a step")
        good = False
    return good


def _check_comparison(problems: Problems, place: str, condition: Mapping[str, Any]) -> bool:
    path = condition.get("path")
    if "path" not in condition or "column" in condition:
        key = "column" if "column" in condition else "path"
        problems.add(f"{place}.{key}", "no path to a value", _HOW)
        return False
    found = list(check_predicate(place, _by_column(condition)))
    for problem in found:
        problems.add(problem.path.replace(".column", ".path"), problem.found, problem.fix)
    if not isinstance(path, str):
        return False
    return not found


def stored_condition(condition: Any) -> Any:
    """A copy of ``condition`` with plain mappings, their keys in order."""
    if isinstance(condition, Mapping):
        return {key: stored_condition(condition[key]) for key in sorted(condition)}
    return [stored_condition(part) for part in condition] if type(condition) is list else condition


def references_in(condition: Mapping[str, Any], place: str) -> Iterator[tuple[str, str]]:
    """Place and text of each path in ``condition``."""
    for key in ("all", "any"):
        for index, part in enumerate(condition.get(key, ())):
            yield from references_in(part, f"{place}.{key}[{index}]")
    if "not" in condition:
        yield from references_in(condition["not"], f"{place}.not")
    if "path" in condition:
        yield f"{place}.path", condition["path"]


def is_met(condition: Mapping[str, Any], values: Values, step: str) -> bool:
    """Whether ``condition`` is true: neither false nor, by a ``None``, unknown.

    Raises:
        StepDataError: A path leads nowhere, or values do not compare; it names ``step``.
        FailedReferenceError: A path leads to a step without a result.
    """
    return _truth(condition, values, step) is True


def _truth(condition: Mapping[str, Any], values: Values, step: str) -> bool | None:
    if "type" in condition:
        kind = condition["type"]
        return kind == "always_true" or values.exists(condition["key"])
    if "not" in condition:
        inner = _truth(condition["not"], values, step)
        return None if inner is None else not inner
    for key, stop in (("all", False), ("any", True)):
        if key in condition:
            unknown = False
            for part in condition[key]:
                truth = _truth(part, values, step)
                if truth is stop:
                    return stop
                unknown = unknown or truth is None
            return None if unknown else not stop
    path = condition["path"]
    table = Table(step, [{path: values.value(path)}])
    return build_predicate(table, _by_column(condition))(table.rows[0])


def _by_column(condition: Mapping[str, Any]) -> dict[str, Any]:
    """The same comparison as one of a row whose column has the path for a name."""
    return {"column" if key == "path" else key: value for key, value in condition.items()}
