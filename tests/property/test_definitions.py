"""Definitions: valid ones compile and come back from their bytes, no other kind gets through."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indelible.actors.step_types.base import StepTypes
from indelible.actors.step_types.connections import Connections
from indelible.actors.step_types.data_processing.step import DataProcessing
from indelible.actors.step_types.database_query import DatabaseQuery
from indelible.actors.step_types.functions import FunctionStep
from indelible.actors.workflow.definition import vocabulary
from indelible.actors.workflow.definition.build_plan import plan_from_encoded
from indelible.actors.workflow.definition.compile import check_input, compile_definition
from indelible.actors.workflow.definition.plan import Plan
from indelible.errors import DefinitionError

TYPES = StepTypes([DatabaseQuery(Connections({"default": "sqlite://"})), DataProcessing()])
TYPES.register(FunctionStep(lambda context, step: None, "any"))
TYPES.register(FunctionStep(lambda a, b=1: a, "named"))

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.text(max_size=5)
    | st.binary(max_size=5)
    | st.decimals(allow_nan=False)
    | st.dates()
    | st.datetimes(timezones=st.just(UTC))
)
words = st.text("abcxyz_", min_size=1, max_size=4)
plain = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)
# Made once: a strategy that is made anew in each example costs more than what it draws.
params_of_steps = st.dictionaries(words.map(lambda word: "p_" + word), plain, max_size=2)
retries = st.fixed_dictionaries({"attempts": st.integers(1, 5), "delay": st.floats(0, 9)})
timeouts = st.floats(0.001, 1e6)
patterns = st.sampled_from(["sequential", "parallel"])
sizes = st.integers(1, 3)


class Example(NamedTuple):
    """A valid definition, and which names each of its nodes may see."""

    definition: dict[str, Any]
    visible: dict[str, set[str]]


@st.composite
def examples(draw: st.DrawFn) -> Example:
    visible: dict[str, set[str]] = {}

    def fresh() -> str:
        return f"n{len(visible)}"

    def leaf(seen: set[str], places: int) -> dict[str, Any]:
        name = fresh()
        visible[name] = seen | {f"step_{i}_result" for i in range(places)}
        step: dict[str, Any] = {"name": name, "type": "any"}
        params = draw(params_of_steps)
        if draw(st.booleans()):
            names = sorted(visible[name])
            source = draw(st.sampled_from([*(f"steps.{n}" for n in names), "input"]))
            params["p_ref"] = [{"ref": f"{source}.x"}]
        if draw(st.booleans()):
            step |= params
        else:
            step["params"] = params
        if draw(st.booleans()):
            step["retry"] = draw(retries)
        if draw(st.booleans()):
            step["timeout"] = draw(timeouts)
        return step

    def block(seen: set[str], places: int, depth: int) -> dict[str, Any]:
        pattern = draw(patterns)
        steps: list[dict[str, Any]] = []
        inside = set(seen)
        for place in range(draw(sizes)):
            now = inside if pattern == "sequential" else seen
            count = place if pattern == "sequential" else places
            known = set(visible)
            if depth < 3 and draw(st.booleans()):
                name = fresh()
                visible[name] = now | {f"step_{i}_result" for i in range(count)}
                steps.append({"name": name} | block(set(now), count, depth + 1))
            else:
                steps.append(leaf(set(now), count))
            inside |= set(visible) - known
        return {"pattern": pattern, "steps": steps}

    return Example({"name": draw(words)} | block(set(), 0, 0), visible)


def blocks(definition: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every block of a definition."""
    yield definition
    for step in definition["steps"]:
        if "steps" in step:
            yield from blocks(step)


def leaves(definition: dict[str, Any]) -> list[dict[str, Any]]:
    """Every step of a definition."""
    return [s for block in blocks(definition) for s in block["steps"] if "steps" not in s]


def compiled(source: Any) -> Plan | None:
    """The plan, or ``None`` after a :class:`DefinitionError` whose problems are complete."""
    try:
        return compile_definition(source, TYPES)
    except DefinitionError as error:
        problems = error.problems
    assert problems
    assert all(isinstance(part, str) and part for problem in problems for part in problem)
    return None


# -- valid ones


@given(examples())
def test_a_valid_definition_compiles_and_comes_back_from_its_bytes(example: Example) -> None:
    plan = compile_definition(example.definition, TYPES)
    again = plan_from_encoded(plan.encoded)
    assert again == plan
    assert again.digest == plan.digest
    assert [node.path for node in again.nodes] == [node.path for node in plan.nodes]
    assert plan.steps_total == len(leaves(example.definition))
    for node in plan.nodes:
        assert all(plan.nodes[child].parent == node.index for child in node.children)
        assert node.parent < node.index < node.end
        assert plan.by_path[node.path] == node.index


@given(examples())
def test_a_step_sees_exactly_what_is_finished_before_it(example: Example) -> None:
    plan = compile_definition(example.definition, TYPES)
    every = {*plan.by_name, *(f"step_{i}_result" for i in range(4))}
    for name, expected in example.visible.items():
        index = plan.by_name[name]
        names = list(plan.visible(index))
        assert len(names) == len(set(names))
        assert set(names) == expected
        assert {other for other in every if plan.find(index, other) is not None} == expected


@given(examples())
def test_a_stored_definition_compiles_to_itself(example: Example) -> None:
    plan = compile_definition(example.definition, TYPES)
    stored = copy.deepcopy(dict(plan.nodes[0].source))
    assert compile_definition(stored, TYPES).encoded == plan.encoded


@given(examples(), st.randoms())
def test_the_order_of_keys_does_not_show(example: Example, random: Any) -> None:
    def shuffled(value: Any) -> Any:
        if isinstance(value, dict):
            keys = list(value)
            random.shuffle(keys)
            return {key: shuffled(value[key]) for key in keys}
        return [shuffled(item) for item in value] if isinstance(value, list) else value

    turned = compile_definition(shuffled(example.definition), TYPES)
    assert turned.encoded == compile_definition(example.definition, TYPES).encoded


# -- invalid ones


def _duplicate(data: st.DataObject, definition: dict[str, Any]) -> None:
    block = data.draw(st.sampled_from(list(blocks(definition))))
    block["steps"].append(copy.deepcopy(block["steps"][0]))


def _unknown_type(data: st.DataObject, definition: dict[str, Any]) -> None:
    data.draw(st.sampled_from(leaves(definition)))["type"] = "nothing_like_it"


def _missing_type(data: st.DataObject, definition: dict[str, Any]) -> None:
    del data.draw(st.sampled_from(leaves(definition)))["type"]


def _empty_block(data: st.DataObject, definition: dict[str, Any]) -> None:
    data.draw(st.sampled_from(list(blocks(definition))))["steps"] = []


def _unknown_field(data: st.DataObject, definition: dict[str, Any]) -> None:
    data.draw(st.sampled_from(list(blocks(definition))))["stops"] = 3


def _bad_number(data: st.DataObject, definition: dict[str, Any]) -> None:
    bad = data.draw(st.sampled_from([0, -1, True, float("nan"), "1", [], {}]))
    data.draw(st.sampled_from(leaves(definition)))["timeout"] = bad


def _bad_value(data: st.DataObject, definition: dict[str, Any]) -> None:
    bad = data.draw(st.sampled_from([1j, {1}, 2**63, object(), {2: 3}]))
    data.draw(st.sampled_from(leaves(definition)))["value"] = [{"x": bad}]


def _own_reference(data: st.DataObject, definition: dict[str, Any]) -> None:
    step = data.draw(st.sampled_from(leaves(definition)))
    step["value"] = {"ref": f"steps.{step['name']}.x"}


def _hidden_reference(data: st.DataObject, definition: dict[str, Any]) -> None:
    last = leaves(definition)[-1]["name"]
    for step in leaves(definition):
        step["value"] = {"ref": f"steps.{last}"}


def _contains_itself(data: st.DataObject, definition: dict[str, Any]) -> None:
    found = list(blocks(definition))
    data.draw(st.sampled_from(found))["steps"].append(data.draw(st.sampled_from(found[:1])))


@pytest.mark.parametrize(
    "mutate",
    [_duplicate, _unknown_type, _missing_type, _empty_block, _unknown_field, _bad_number,
     _bad_value, _own_reference, _hidden_reference, _contains_itself],
)  # fmt: skip
@given(examples(), st.data())
def test_each_kind_of_mistake_is_found(mutate: Any, example: Example, data: st.DataObject) -> None:
    mutate(data, example.definition)
    assert compiled(example.definition) is None


KEYS = sorted(
    {
        *vocabulary.ROOT_KEYS, *vocabulary.STEP_KEYS,
        *vocabulary.RETRY_KEYS, *vocabulary.CHECKPOINT_KEYS,
        "query", "parameters", "rows", "expected_rows", "statements", "connection", "min", "max",
        "input", "operation", "operations", "where", "columns", "by", "aggregate", "right", "on",
        "how", "suffix", "count", "function", "column", "op", "value", "all", "any", "not",
        "ref", "literal", "condition", "output_format", "input_size",
    }
)  # fmt: skip
VALUES = [
    "sequential", "parallel", "collect", "quorum", "database_query", "data_processing", "any",
    "named", "steps.a", "steps.a.b", "input", "SELECT :a", "filter", "group", "sum", "join", "map",
    "project", "sort", "limit", "eq", "in", "is_null", "count", "left", "csv", "a", "step_0_result",
]  # fmt: skip
junk = st.recursive(
    scalars
    | st.sampled_from(VALUES)
    | st.sampled_from(
        [2**70, float("nan"), "\ud800", b"", (), (1,), object(), 1j, date(2013, 1, 1)]
    )
    | st.sampled_from([datetime(2013, 1, 1), Decimal("NaN"), frozenset()]),  # noqa: DTZ001 - the naive one is the point
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(KEYS) | words | st.integers() | st.none(), inner, max_size=5
        )
    ),
    max_leaves=25,
)
steps = st.builds(
    lambda step, kind: {**step, "type": kind},
    st.dictionaries(st.sampled_from(KEYS), junk, max_size=6),
    st.sampled_from(["database_query", "data_processing", "any", "named"]),
)


@given(junk)
def test_anything_at_all_gives_a_plan_or_a_definition_error(source: Any) -> None:
    compiled(source)


@given(
    st.lists(steps | junk, min_size=1, max_size=4),
    st.dictionaries(st.sampled_from(KEYS), junk, max_size=3),
)
def test_any_steps_give_a_plan_or_a_definition_error(some: list[Any], root: dict[str, Any]) -> None:
    plan = compiled({"name": "w"} | root | {"steps": some})
    if plan is not None:
        assert plan_from_encoded(plan.encoded) == plan


@given(examples(), junk, st.data())
def test_any_change_of_a_valid_definition_gives_a_plan_or_a_definition_error(
    example: Example, value: Any, data: st.DataObject
) -> None:
    places: list[tuple[Any, Any]] = []

    def collect(part: Any) -> None:
        for key, item in part.items() if isinstance(part, dict) else enumerate(part):
            places.append((part, key))
            if isinstance(item, dict | list):
                collect(item)

    collect(example.definition)
    part, key = data.draw(st.sampled_from(places))
    if data.draw(st.booleans()):
        part[key] = value
    else:
        del part[key]
    compiled(example.definition)


@given(st.text() | st.text("{}[]:,&*-?!|>'\"% \nab1").map(lambda text: f"name: w\nsteps:\n{text}"))
def test_any_text_gives_a_plan_or_a_definition_error(text: str) -> None:
    compiled(text)


@given(examples(), junk)
def test_any_input_gives_a_list_of_problems(example: Example, given_: Any) -> None:
    assert isinstance(check_input(compile_definition(example.definition, TYPES), given_), list)
