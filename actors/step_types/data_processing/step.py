"""The step type itself: an input, one or several operations in order, an output."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

from indelible.actors.step_types.data_processing import grouping, joining, output, shaping
from indelible.actors.step_types.data_processing.shaping import RowFunction
from indelible.actors.step_types.data_processing.table import Table, as_rows
from indelible.actors.step_types.expected_counts import check_expectation, validate_expectation
from indelible.actors.workflow.definition.field_checks import close_to, describe
from indelible.actors.workflow.definition.references import UNKNOWN, blank_refs
from indelible.errors import Problem, StepDataError

_COMMON = ("input", "operation", "operations", "output_format", "input_size")


class _Operation(NamedTuple):
    required: tuple[str, ...]
    optional: tuple[str, ...]
    check: Callable[[str, Mapping[str, Any]], Iterator[Problem]]
    apply: Callable[[Table, Mapping[str, Any]], Table]


class DataProcessing:
    """Filters, projects, maps, sorts, groups, sums, joins and limits rows.

    ``input`` is a list of rows, or a list of such lists, which are concatenated.  ``operation`` and
    its fields are parameters themselves, or mappings in ``operations``, applied in order.
    ``input_size`` is compared with the number of input rows, ``processed_records``.
    """

    name = "data_processing"
    blocking = True

    def __init__(self, functions: Mapping[str, RowFunction] | None = None) -> None:
        """Let ``map`` call ``functions``; functions may be added to that mapping later."""
        self._functions: Mapping[str, RowFunction] = {} if functions is None else functions
        self._operations = {
            "filter": _Operation(("where",), (), shaping.check_filter, shaping.filter_rows),
            "project": _Operation(("columns",), (), shaping.check_project, shaping.project),
            "map": _Operation(
                ("function",),
                (),
                partial(shaping.check_function, functions=self._functions),
                partial(shaping.map_rows, functions=self._functions),
            ),
            "sort": _Operation(("by",), (), shaping.check_sort, shaping.sort),
            "group": _Operation(("by",), ("aggregate",), grouping.check_group, grouping.group),
            "sum": _Operation(("column",), (), grouping.check_sum, grouping.sum_column),
            "join": _Operation(
                ("right", "on"), ("how", "suffix", "columns"), joining.check_join, joining.join
            ),
            "limit": _Operation(("count",), (), shaping.check_limit, shaping.limit),
        }

    def validate(self, params: Mapping[str, Any]) -> Iterator[Problem]:
        """The problems of ``params`` that can be found before a run."""
        return self._problems(blank_refs(params))

    def run(self, context: Any, step: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG002 - the port's signature
        """Apply the operations, in order.

        Raises:
            StepDataError: The rows are not valid.  Exceptions of a ``map`` function are not caught.
        """
        params, name = step["params"], step.get("name", "")
        for path, found, fix in self._problems(params):  # references could not be checked before
            raise StepDataError(name, f"{path} is {found}", fix)
        table = Table(name, as_rows(name, params["input"]))
        count = len(table.rows)
        if "input_size" in params:
            check_expectation(name, "input rows", params["input_size"], count)
        for one in params.get("operations", (params,)):
            if "operation" in one:
                table = self._operations[one["operation"]].apply(table, one)
        form = params.get("output_format", "json")
        return {
            "processed_records": count,
            "output_format": form,
            "data": output.render(table, form),
        }

    def _problems(self, params: Mapping[str, Any]) -> Iterator[Problem]:
        given = params.get("input")
        if given is not UNKNOWN and not isinstance(given, list | dict):
            yield Problem("input", describe(given), "refer to rows: {ref: steps.NAME.rows}")
        if "input_size" in params:
            yield from validate_expectation("input_size", params["input_size"])
        form = params.get("output_format", "json")
        if form is not UNKNOWN and form not in output.FORMATS:
            yield Problem("output_format", describe(form), f"write {', '.join(output.FORMATS)}")
        if "operations" not in params:
            yield from self._check("", params, _COMMON)
            return
        for key in params:
            if key not in _COMMON or key == "operation":
                yield Problem(str(key), "a field beside operations", "move it into one of them")
        operations = params["operations"]
        if not isinstance(operations, list):
            yield Problem("operations", describe(operations), "write a list of {operation: …}")
            return
        for index, one in enumerate(operations):
            if isinstance(one, Mapping):
                yield from self._check(f"operations[{index}].", one, ("operation",))
            else:
                yield Problem(f"operations[{index}]", describe(one), "write {operation: …}")

    def _check(
        self, path: str, params: Mapping[str, Any], beside: tuple[str, ...]
    ) -> Iterator[Problem]:
        name = params.get("operation")
        operation = self._operations.get(name) if isinstance(name, str) else None
        if operation is None:
            found = "a reference" if name is UNKNOWN else describe(name)
            yield Problem(f"{path}operation", found, close_to(name, self._operations))
            return
        known = (*operation.required, *operation.optional)
        missing = [field for field in operation.required if field not in params]
        for field in missing:
            yield Problem(f"{path}{field}", "nothing", f"{name} needs {field}")
        for key in params:
            if key not in known and key not in beside:
                yield Problem(f"{path}{key}", "an unknown field", close_to(key, known))
        if not missing:
            yield from operation.check(path, params)
