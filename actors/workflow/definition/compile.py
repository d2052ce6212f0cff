"""Compiles a definition: all problems are found before anything is stored."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from indelible.actors.workflow.definition.build_plan import build_plan
from indelible.actors.workflow.definition.field_checks import close_to
from indelible.actors.workflow.definition.normalise import Normaliser
from indelible.actors.workflow.definition.parse import parse
from indelible.actors.workflow.definition.plan import Plan
from indelible.actors.workflow.definition.reference_check import check_input, check_references
from indelible.actors.workflow.definition.size_limits import MAX_BYTES, measure
from indelible.errors import DefinitionError, ValueNotStorableError
from indelible.events.codec.conversions import encode_given
from indelible.events.codec.values import decode_value

if TYPE_CHECKING:
    from indelible.actors.step_types.base import StepTypes

__all__ = ["check_input", "compile_definition"]

_FIRST_PART = re.compile(r"[^.\[]*")


def compile_definition(
    source: Mapping[str, Any] | str | Path, step_types: StepTypes | None
) -> Plan:
    """The plan of a definition; its parameters are copies, so that ``source`` may change later.

    Args:
        source: A mapping, JSON or YAML text, or the path of a file, see :func:`parse`.
        step_types: The types that the steps may name; ``None`` leaves types and their parameters
            unchecked.

    Raises:
        DefinitionError: The definition cannot be run; the error names all problems.
        MissingExtraError: It is YAML, and the ``yaml`` extra is not installed.
    """
    definition = parse(source)
    name = definition.get("name")
    shown = name if isinstance(name, str) and name.isprintable() else "unnamed"
    endless = measure(definition)
    if endless:
        raise DefinitionError(shown, [endless])
    return _Compilation(definition).plan(shown, step_types)


class _Compilation:
    """The compilation of one definition; keeps the results of its phases."""

    def __init__(self, definition: Mapping[str, Any]) -> None:
        self._normaliser = Normaliser()
        self._normalised = self._normaliser.root(definition)
        self._problems = self._normaliser.problems

    def plan(self, shown: str, step_types: StepTypes | None) -> Plan:
        """The plan; raises all problems, if there are any."""
        plan = self._encoded() or build_plan(self._normalised, b"")
        places = self._normaliser.places
        check_references(
            plan, self._problems, self._where, places.__getitem__, self._normaliser.unclear
        )
        if step_types is not None:
            self._check_types(plan, step_types)
        if self._problems:
            raise DefinitionError(shown, self._problems.all())
        return plan

    def _encoded(self) -> Plan | None:
        """The plan of the stored form; ``None`` after reporting that it cannot be stored."""
        try:
            encoded = encode_given(self._normalised)
        except ValueNotStorableError as error:
            self._find_values(error)
            return None
        if len(encoded) > MAX_BYTES:  # measure() has checked an estimate
            self._problems.add(
                "definition", f"{len(encoded):,} bytes", f"the limit is {MAX_BYTES:,}"
            )
            return None
        return build_plan(decode_value(encoded), encoded)

    def _find_values(self, error: ValueNotStorableError) -> None:
        """Report, for each step, a value that the log cannot store."""
        blamed = bool(self._problems)
        for node in build_plan(self._normalised, b"").nodes:
            try:
                encode_given(node.params)
            except ValueNotStorableError as fault:
                blamed = True
                path = self._where(node.index, fault.path.removeprefix("$").removeprefix("."))
                self._problems.add(path, fault.found, fault.fix)
        if not blamed:
            self._problems.add("definition", str(error), "correct it")

    def _check_types(self, plan: Plan, step_types: StepTypes) -> None:
        for node in plan.nodes:
            if node.kind != "step" or not node.type:
                continue
            step_type = step_types.get(node.type)
            if step_type is None:
                fix = (
                    f"{close_to(node.type, step_types.names())}; {step_types.advice_for(node.type)}"
                )
                place = self._normaliser.places[node.index]
                self._problems.add(f"{place}.type", f"the unknown step type {node.type!r}", fix)
                continue
            for path, found, fix in step_type.validate(node.params):
                self._problems.add(self._where(node.index, path), found, fix)

    def _where(self, index: int, path: str) -> str:
        """The place in the source of ``path`` inside the parameters of a node."""
        place = self._normaliser.places[index]
        match = _FIRST_PART.match(path)
        if match and match[0] in self._normaliser.flat.get(index, ()):
            return f"{place}.{path}"
        return f"{place}.params{path if path.startswith('[') or not path else '.' + path}"
