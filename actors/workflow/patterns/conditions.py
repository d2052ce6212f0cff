"""Conditions as data: they contain no code, and every part is checked before a run.

``{"path": REFERENCE, "op": ..., "value": ...}`` with the comparisons of ``data_processing``,
``{"all": [...]}``, ``{"any": [...]}``, ``{"not": ...}``, ``{"type": "always_true"}`` and
``{"type": "context_key_exists", "key": NAME}``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from indelible.actors.step_types.data_processing.predicates import (
    OPS,
    build_predicate,
    check_predicate,
)
from indelible.actors.step_types.data_processing.table import Table
from indelible.actors.workflow.definition.field_checks import Problems, close_to, describe, join
from indelible.actors.workflow.definition.references import blank_refs, find_refs
from indelible.actors.workflow.patterns.pattern import Values
from indelible.errors import StepDataError

_TYPES = ("always_true", "context_key_exists")
_LATER_TYPES = ("iteration_limit", "expression")
_KEYS = {"always_true": ("type",), "context_key_exists": ("type", "key")}
_COMPARISON = ("path", "op", "value")
_DEPTH = 20
_HOW = "write {path: steps.NAME.path, op: ..., value: ...}, all, any, not, or {type: ...}"


def check_condition(problems: Problems, place: str, condition: Any, depth: int = 0) -> bool:
    """Whether ``condition`` is valid; if not, the faults are added to ``problems``."""
    if depth > _DEPTH:
        problems.add(place, f"more than {_DEPTH} conditions in each other", "nest less deep")
        return False
    if not isinstance(condition, Mapping):
        problems.add(place, describe(condition), _HOW)
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
    fix = _key_fix(condition.get("key")) if kind == "context_key_exists" else ""
    if fix:
        problems.add(f"{place}.key", describe(condition.get("key")), fix)
    return good and not fix


def _key_fix(key: Any) -> str:
    """How to correct the key of a ``context_key_exists``; empty if it is valid."""
    if not isinstance(key, str) or not key:
        return "name a key of the input, or a step"
    return f"write the name alone: {key.split('.')[1]}" if "." in key else ""


def _check_comparison(problems: Problems, place: str, condition: Mapping[str, Any]) -> bool:
    unknown = [key for key in condition if key not in _COMPARISON]
    for key in unknown:
        fix = close_to(key, (*_COMPARISON, "all", "any", "not"))
        problems.add(join(place, key), "an unknown field", fix)
    if unknown:
        return False
    path, op = condition.get("path"), condition.get("op")
    if not isinstance(path, str):
        problems.add(
            f"{place}.path", describe(path), "refer to a value: steps.NAME.PATH, input.PATH"
        )
        return False
    if not isinstance(op, str):
        problems.add(f"{place}.op", describe(op), f"write one of {', '.join(OPS)}")
        return False
    value = {key: condition[key] for key in condition if key == "value"}
    found = list(check_predicate(place, _of_one(path, op) | blank_refs(value)))
    for problem in found:
        problems.add(*problem)
    return not found


def stored_condition(condition: Any) -> Any:
    """A copy of ``condition`` with plain mappings, their keys in order."""
    if isinstance(condition, Mapping):
        return {key: stored_condition(condition[key]) for key in sorted(condition, key=str)}
    return [stored_condition(part) for part in condition] if type(condition) is list else condition


def references_in(
    condition: Mapping[str, Any], place: str
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each path in ``condition``, and each reference in its values, with its place."""
    for key in ("all", "any"):
        for index, part in enumerate(condition.get(key, ())):
            yield from references_in(part, f"{place}.{key}[{index}]")
    if "not" in condition:
        yield from references_in(condition["not"], f"{place}.not")
    if "path" in condition:
        yield f"{place}.path", {"ref": condition["path"]}
        for path, ref in find_refs({"value": condition.get("value")}):
            yield f"{place}.{path}", ref


def is_met(condition: Mapping[str, Any], values: Values, step: str) -> bool:
    """Whether ``condition`` is true; false if it is unknown because of a ``None``.

    Raises:
        StepDataError: A path does not exist, or values do not compare; it names ``step``.
        FailedReferenceError: A path leads to a step without a result.
    """
    return _truth_of(condition, values, step) is True


def _truth_of(condition: Mapping[str, Any], values: Values, step: str) -> bool | None:
    if "type" in condition:
        kind = condition["type"]
        return kind == "always_true" or values.exists(condition["key"])
    if "not" in condition:
        inner = _truth_of(condition["not"], values, step)
        return None if inner is None else not inner
    for key, stop in (("all", False), ("any", True)):
        if key in condition:
            unknown = False
            for part in condition[key]:
                truth = _truth_of(part, values, step)
                if truth is stop:
                    return stop
                unknown = unknown or truth is None
            return None if unknown else not stop
    path, op = condition["path"], condition["op"]
    known = values.resolve({"it": {"ref": path}, "value": condition.get("value")})
    compared = {"column": path, "op": op, "value": known["value"]}
    for problem in check_predicate("", compared if "value" in condition else _of_one(path, op)):
        raise StepDataError(step, f"its condition has {problem.found} as value", problem.fix)
    try:
        return build_predicate(Table(step, [{path: known["it"]}]), compared)({path: known["it"]})
    except StepDataError:
        shown = f"{path} is {describe(known['it'])}, which is not {op} {describe(known['value'])}"
        raise StepDataError(step, shown, "compare with a value of the same type") from None


def _of_one(path: str, op: str) -> dict[str, Any]:
    return {"column": path, "op": op}
