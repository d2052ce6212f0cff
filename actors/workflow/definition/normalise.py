"""Turns a user's definition into its stored form, with generated names and explicit defaults.

Defaults that may change in later versions are written into the stored form, so that a run keeps the
defaults that it was started with; switched-off options (no timeout, no retry) are left out.  Keys
are in a fixed order.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from indelible.actors.effects.retry_policy import RetryPolicy
from indelible.actors.workflow.definition import field_checks
from indelible.actors.workflow.definition.field_checks import Problems, describe, join
from indelible.actors.workflow.definition.plan import (
    DEFAULT_CHECKPOINT_SECONDS,
    DEFAULT_CHECKPOINT_STEPS,
    FORMATS,
    RESULT_NAME,
)
from indelible.actors.workflow.definition.references import parse_ref
from indelible.actors.workflow.definition.size_limits import MAX_BLOCKS, MAX_NODES
from indelible.actors.workflow.definition.vocabulary import (
    BLOCK_KEYS,
    CHECKPOINT_KEYS,
    CHILD_KEYS,
    DEFAULT_PATTERN,
    ENGINE_KEYS,
    LATER_KEYS,
    LATER_PATTERNS,
    MAX_ATTEMPTS,
    MAX_NAME,
    ON_UNKNOWN,
    PATTERN_KEYS,
    PATTERNS,
    RETRY_KEYS,
    ROOT_KEYS,
    STEP_KEYS,
)
from indelible.actors.workflow.patterns.pattern import Pattern

_MAPPING = (dict, Mapping)  # dict first: a check by the abstract class takes four times as long
_NONE = object()  # the type of an item that is no step, which has been reported already
_INSTANCE_NAME = re.compile(r"(\[[0-9]*\]|#[0-9]*)$")
_SIMILARITY = 0.8  # difflib's ratio from which a flat key is a typing error: "timout", "retries"
_SHORT, _SHORT_SIMILARITY = 4, 0.75  # one wrong letter, or two that changed places: "esle"


class Normaliser:
    """One pass over one definition.

    Attributes:
        problems: The problems found.
        places: The place of each node in the source, in the order of ``Plan.nodes``.
        flat: The flat parameters of each node that has any.
        unclear: Names that are used twice or not valid; references to them are not reported.
    """

    def __init__(self) -> None:
        """Start empty."""
        self.problems = Problems()
        self.places: list[str] = []
        self.flat: dict[int, frozenset[str]] = {}
        self.unclear: set[str] = set()
        self._names: dict[str, str] = {}
        self._similar_keys: dict[tuple[str, str], str] = {}

    def root(self, source: Mapping[str, Any]) -> dict[str, Any]:
        """The stored form of a whole definition; with problems, the nearest to it."""
        field_checks.only(self.problems, "", source, ROOT_KEYS)
        found = source.get("format", FORMATS[0])
        if type(found) is not int or found not in FORMATS:
            known = ", ".join(map(str, FORMATS))
            self.problems.add("format", describe(found), f"this version knows format {known}")
        name = source.get("name")
        if not isinstance(name, str) or not name.isprintable() or not 0 < len(name) <= MAX_NAME:
            fix = f"give the workflow a name of 1 to {MAX_NAME} printable characters"
            self.problems.add("name", describe(name), fix)
            name = ""
        checkpoint = self._checkpoint(source.get("checkpoint"))
        self.places.append("")
        head = {"format": FORMATS[0], "name": name, "checkpoint": checkpoint}
        block = self._block(source, "", ())
        if PATTERNS[block["pattern"]].repeats:
            fix = "put the steps to repeat into a block of the workflow"
            self.problems.add("pattern", f"{block['pattern']!r} for the whole workflow", fix)
        return head | block

    def _checkpoint(self, source: Any) -> dict[str, int]:
        defaults = (DEFAULT_CHECKPOINT_STEPS, DEFAULT_CHECKPOINT_SECONDS)
        if source is None:
            return dict(zip(CHECKPOINT_KEYS, defaults, strict=True))
        if not isinstance(source, Mapping):
            self.problems.add(
                "checkpoint", describe(source), "write {every_steps: 5, every_seconds: 300}"
            )
            return {}
        field_checks.only(self.problems, "checkpoint", source, CHECKPOINT_KEYS)
        return {
            key: field_checks.integer(
                self.problems,
                f"checkpoint.{key}",
                source.get(key, default),
                1,
                field_checks.MAX_SECONDS,
            )
            or default
            for key, default in zip(CHECKPOINT_KEYS, defaults, strict=True)
        }

    def _block(
        self, source: Mapping[str, Any], place: str, trail: tuple[int, ...]
    ) -> dict[str, Any]:
        problems, default = self.problems, DEFAULT_PATTERN
        found, path = source.get("pattern", default), join(place, "pattern")
        pattern = field_checks.choice(problems, path, found, PATTERNS, LATER_PATTERNS)
        block: dict[str, Any] = {"pattern": pattern or default}
        if pattern:
            block |= PATTERNS[pattern].fields(problems, place, source)
            for key, owner in PATTERN_KEYS.items():
                if key in source and owner != pattern:
                    fix = f"only a {owner} block has it; remove it, or write pattern: {owner}"
                    problems.add(join(place, key), describe(source[key]), fix)
        inside = PATTERNS[block["pattern"]]
        if inside.repeats:
            self.places.append(place)  # of its body
        block["steps"] = self._steps(source.get("steps"), join(place, "steps"), trail, inside)
        return block

    def _steps(
        self, steps: Any, place: str, trail: tuple[int, ...], inside: Pattern
    ) -> list[dict[str, Any]]:
        if not isinstance(steps, list) or not steps:
            self.problems.add(place, describe(steps), "write a list of at least one step")
            return []
        if len(trail) >= MAX_BLOCKS:
            self.problems.add(
                place, f"more than {MAX_BLOCKS} blocks in each other", "nest less deep"
            )
            return []
        if len(self.places) + len(steps) > MAX_NODES:
            self.problems.add(
                place, f"more than {MAX_NODES:,} steps and blocks", "split the workflow"
            )
            return []
        return [
            self._node(step, f"{place}[{index}]", (*trail, index), inside)
            for index, step in enumerate(steps)
        ]

    def _node(
        self, source: Any, place: str, trail: tuple[int, ...], inside: Pattern
    ) -> dict[str, Any]:
        self.places.append(place)
        if not isinstance(source, _MAPPING):
            self.problems.add(place, describe(source), "write a mapping with a type, or with steps")
            source = {"type": _NONE}
        name = self._name(source, place, trail)
        given = inside.child_fields(self.problems, place, source, trail[-1])
        if "steps" not in source and "pattern" not in source:
            return self._step(source, place, name, inside) | given
        for key in source:
            if key not in BLOCK_KEYS and key not in inside.child_keys:
                fix = "only steps have it, not blocks" if key in STEP_KEYS else None
                fix = inside.mistaken_keys.get(key, fix)
                if key in LATER_KEYS:
                    fix = "not available yet"
                elif key in CHILD_KEYS:
                    fix = _only_inside(key)
                self.problems.add(
                    join(place, key),
                    "an unknown field",
                    fix or field_checks.close_to(key, (*BLOCK_KEYS, *inside.child_keys)),
                )
        return {"name": name} | self._block(source, place, trail) | given

    def _name(self, source: Mapping[str, Any], place: str, trail: tuple[int, ...]) -> str:
        """The user's name, or ``step_<i>``; nested ``step_<i>_<j>``, all indexes from the root."""
        name = source.get("name")
        generated = "step_" + "_".join(map(str, trail))
        if name is None:
            name = generated
        fix = _name_fix(name)
        if fix:
            self.problems.add(f"{place}.name", describe(name), fix)
            self.unclear.add(name if isinstance(name, str) else generated)
            return generated
        other = self._names.setdefault(name, place)
        if other != place:
            self.unclear.add(name)
            fix = f"{other} has this name too; names are unique in the whole definition"
            if "name" not in source:
                fix += ", so give this step another one"
            self.problems.add(f"{place}.name", repr(name), fix)
        return str(name)

    def _step(
        self, source: Mapping[str, Any], place: str, name: str, inside: Pattern
    ) -> dict[str, Any]:
        problems = self.problems
        kind = source.get("type")
        if kind is _NONE:
            kind = ""
        elif not isinstance(kind, str) or not kind:
            fix = "name a step type; a block has steps instead"
            problems.add(f"{place}.type", describe(kind), fix)
            kind = ""
        step: dict[str, Any] = {"name": name, "type": kind}
        params = self._params(source, place, inside)
        if params:
            step["params"] = params
        if source.get("timeout") is not None:
            step["timeout"] = field_checks.seconds(problems, f"{place}.timeout", source["timeout"])
        retry = source.get("retry")
        if retry is not None:
            policy = self._retry(retry, f"{place}.retry")
            if policy["attempts"] != 1:
                step["retry"] = policy
        unknown = source.get("on_unknown_outcome", "retry")
        if unknown != "retry":
            place = f"{place}.on_unknown_outcome"
            step["on_unknown_outcome"] = field_checks.choice(problems, place, unknown, ON_UNKNOWN)
        return step

    def _params(self, source: Mapping[str, Any], place: str, inside: Pattern) -> dict[str, Any]:
        params = source.get("params", {})
        if not isinstance(params, _MAPPING):
            self.problems.add(f"{place}.params", describe(params), "write a mapping of parameters")
            params = {}
        if params and params.keys() <= {"ref", "failed"} and _is_ref(params.get("ref")):
            fix = "refer from single parameters: {name: {ref: …}}"
            self.problems.add(f"{place}.params", "a reference for all of them", fix)
        flat = source.keys() - STEP_KEYS
        if inside.child_keys:
            flat -= set(inside.child_keys)
        if not flat:
            return dict(_sorted(params)) if params else {}
        for key in sorted(flat, key=str):
            found, fix = self._flat_fault(key, params, place, inside)
            if fix:
                self.problems.add(join(place, key), found, fix)
        flat = {key for key in flat if isinstance(key, str)}
        self.flat[len(self.places) - 1] = frozenset(flat)
        return dict(_sorted(dict(params) | {key: source[key] for key in flat}))

    def _flat_fault(
        self, key: object, params: Mapping[str, Any], place: str, inside: Pattern
    ) -> tuple[str, str]:
        """The fault of a parameter beside the engine's keys, and its correction; empty if valid."""
        if not isinstance(key, str):
            return f"the key {describe(key)}", "write the key as text"
        if key in params:
            return "a parameter that is under params, too", "remove one of them"
        under = f"if it is a parameter, write it under {place}.params"
        if key in CHILD_KEYS:
            return "a key of the engine", f"{_only_inside(key)}; {under}"
        if key in LATER_KEYS or key in ENGINE_KEYS:
            return "a key of the engine, which steps do not have", under
        if key in inside.mistaken_keys:
            return "an unknown field", f"{inside.mistaken_keys[key]}; {under}"
        similar = self._similar_key(key, inside)
        return ("an unknown field", f"did you mean {similar!r}? {under}") if similar else ("", "")

    def _similar_key(self, key: str, inside: Pattern) -> str:
        """The engine key that the user probably meant by ``key``; empty if there is none."""
        known = inside.name, key
        if known not in self._similar_keys:  # cached: 10,000 steps have the same keys, 20 µs each
            keys = (*STEP_KEYS, *inside.child_keys)
            found = get_close_matches(key, keys, 1, _SIMILARITY)
            short = [one for one in inside.child_keys if len(one) <= _SHORT]
            found = found or get_close_matches(key, short, 1, _SHORT_SIMILARITY)
            self._similar_keys[known] = "".join(found)
        return self._similar_keys[known]

    def _retry(self, source: Any, place: str) -> dict[str, Any]:
        problems = self.problems
        if type(source) is int:
            source = {"attempts": source}
            counted = place
        elif isinstance(source, Mapping):
            field_checks.only(problems, place, source, RETRY_KEYS)
            counted = f"{place}.attempts"
        else:
            fix = "write how many attempts in all, or {attempts: 3, delay: 1.0, …}"
            problems.add(place, describe(source), fix)
            return {"attempts": 1}
        given = {key: source.get(key, getattr(RetryPolicy(), key)) for key in RETRY_KEYS}
        longest = field_checks.MAX_SECONDS
        policy = {
            "attempts": field_checks.integer(problems, counted, given["attempts"], 1, MAX_ATTEMPTS),
            "delay": field_checks.number(problems, f"{place}.delay", given["delay"], 0, longest),
            "backoff": field_checks.number(
                problems, f"{place}.backoff", given["backoff"], 1, 1_000
            ),
            "max_delay": field_checks.number(
                problems, f"{place}.max_delay", given["max_delay"], 0, longest
            ),
            "jitter": field_checks.number(problems, f"{place}.jitter", given["jitter"], 0, 1),
        }
        delay, most = policy["delay"], policy["max_delay"]
        if delay is not None and most is not None and most < delay:
            if "max_delay" in source:
                problems.add(f"{place}.max_delay", f"{most:g}, less than the delay", "raise it")
            policy["max_delay"] = delay
        return policy if None not in policy.values() else {"attempts": 1}


def _only_inside(key: str) -> str:
    return f"only children of a {CHILD_KEYS[key]} block have it"


def _name_fix(name: Any) -> str:
    """How to correct a step's name; empty if it is valid."""
    if not isinstance(name, str) or not name.isprintable() or not 0 < len(name) <= MAX_NAME:
        return f"give the step a name of 1 to {MAX_NAME} printable characters"
    if "/" in name or "." in name:
        return "leave out / and ., which separate the parts of paths and references"
    if _INSTANCE_NAME.search(name):
        return "choose another ending; NAME[0] and NAME#0 stand for what a block repeats"
    if RESULT_NAME.fullmatch(name):
        return "choose another name; step_<i>_result stands for the result of step i of a block"
    return ""


def _is_ref(text: Any) -> bool:
    try:
        return bool(parse_ref(text))
    except ValueError:
        return False


def _sorted(value: Any) -> Any:
    """``value`` with the keys of its mappings in order, so that equal parameters encode alike."""
    if type(value) is dict or isinstance(value, Mapping):
        return {key: _sorted(value[key]) for key in sorted(value, key=str)}
    if type(value) is list:
        return [_sorted(item) for item in value]
    return value
