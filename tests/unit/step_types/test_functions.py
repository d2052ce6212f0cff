"""Functions as step types: how they are marked, looked at, checked and called."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Iterator
from types import MappingProxyType
from typing import Any
from unittest.mock import Mock

import pytest

from indelible.actors.step_types.base import BUILT_IN, StepTypes
from indelible.actors.step_types.functions import FunctionStep, step


def call(function: Callable[..., Any], /, **params: Any) -> Any:
    return FunctionStep(function, "f").run("the context", {"name": "s", "params": params})


def faults(function: Callable[..., Any], /, **params: Any) -> list[str]:
    return [": ".join(problem) for problem in FunctionStep(function, "f").validate(params)]


class Adder:
    def __call__(self, a: int, b: int = 2) -> int:
        return a + b

    def method(self, a: int) -> int:
        return -a

    async def slow(self, a: str) -> str:
        return a


class AsyncCallable:
    async def __call__(self, context: Any, step: Any) -> str:
        return "done"


# -- marking


def test_a_marked_function_stays_the_same_function() -> None:
    def double(n: int) -> int:
        return 2 * n

    assert step("double")(double) is double
    assert FunctionStep(double).name == "double"


def test_a_mark_needs_a_name() -> None:
    with pytest.raises(TypeError, match=r"@step\(\"name\"\)"):

        @step  # type: ignore[arg-type]
        def forgotten(n: int) -> int:
            return n

    for bad in ("", "a\n", "x" * 201):
        with pytest.raises(ValueError, match="printable"):
            step(bad)


def test_what_takes_no_mark_or_no_call_says_what_to_do() -> None:
    with pytest.raises(TypeError, match="register_step"):
        step("m")(Adder().method)
    with pytest.raises(TypeError, match="mark a function"):
        step("m")(3)  # type: ignore[type-var]


def test_a_marked_method_is_known_by_its_mark_when_bound() -> None:
    class Steps:
        @step("marked")
        def method(self, context: Any, step: Any) -> str:
            return "here"

    found = FunctionStep(Steps().method)
    assert found.name == "marked"
    assert found.run(None, {}) == "here"


def test_a_function_without_a_name_needs_one() -> None:
    with pytest.raises(ValueError, match="no name"):
        FunctionStep(lambda context, step: None)
    with pytest.raises(ValueError, match="no name"):
        FunctionStep(functools.partial(max, 1))
    assert FunctionStep(lambda context, step: None, "f").name == "f"


def test_a_function_is_known_by_its_own_name_when_it_has_no_mark() -> None:
    def clean(context: Any, step: Any) -> None: ...

    assert FunctionStep(clean).name == "clean"


# -- calling


def test_a_function_of_context_and_step_is_called_without_a_detour() -> None:
    def function(context: Any, step: Any) -> Any:
        return context, step

    assert FunctionStep(function, "f").run is function


def test_parameters_come_by_name() -> None:
    assert call(lambda a, b=2: (a, b), a=1) == (1, 2)
    assert call(lambda *, a: a, a=1) == 1
    assert call(lambda: 7) == 7
    assert call(lambda **all_: all_, a=1, b=2) == {"a": 1, "b": 2}
    assert call(lambda a, **rest: (a, rest), a=1, b=2) == (1, {"b": 2})


def test_parameters_come_by_name_from_any_mapping() -> None:
    function = FunctionStep(lambda a=1: a, "f")
    assert function.run(None, {"params": MappingProxyType({})}) == 1


def test_context_and_step_come_where_they_are_named() -> None:
    whole = {"name": "s", "params": {"a": 1}}
    assert call(lambda a, context: (a, context), a=1) == (1, "the context")
    assert call(lambda step, a: (a, step), a=1) == (1, whole)
    assert call(lambda step, context: (context, step)) == (
        "the context",
        {"name": "s", "params": {}},
    )
    assert call(lambda *, context, step, a: (context, step, a), a=1) == ("the context", whole, 1)


def test_a_function_of_anything_gets_context_and_step() -> None:
    assert call(lambda *args: args) == ("the context", {"name": "s", "params": {}})
    assert call(lambda *args, **kwargs: (args[0], kwargs), a=1) == ("the context", {})
    spy = Mock(return_value=3)
    assert call(spy) == 3
    spy.assert_called_once_with("the context", {"name": "s", "params": {}})


def test_a_wrapper_is_looked_at_through_functools_wraps() -> None:
    def logged(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def inner(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

        return inner

    assert call(logged(lambda a: a), a=1) == 1
    assert call(logged(lambda context, step: context)) == "the context"


def test_objects_methods_and_partials_work() -> None:
    assert call(Adder(), a=1) == 3
    assert call(Adder().method, a=1) == -1
    assert call(functools.partial(lambda a, b: (a, b), 1), b=2) == (1, 2)
    assert call(functools.partial(lambda a, b: (a, b), b=1), a=2) == (2, 1)
    assert call(functools.partial(Adder(), b=5), a=1) == 6


@pytest.mark.parametrize(
    ("function", "params"),
    [
        (Adder().slow, {"a": "done"}),
        (AsyncCallable(), {}),
        (functools.partial(Adder().slow, "done"), {}),
    ],
)
def test_async_functions_give_an_awaitable(function: Any, params: dict[str, Any]) -> None:
    found = FunctionStep(function, "f")
    assert not found.blocking
    assert asyncio.run(found.run(None, {"params": params})) == "done"


def test_ordinary_functions_are_blocking() -> None:
    assert FunctionStep(Adder(), "f").blocking


# -- refusing


class Generating:
    def __call__(self) -> Iterator[int]:
        yield 1


async def agen() -> Any:
    yield 1


@pytest.mark.parametrize("function", [Generating(), agen, functools.partial(agen)])
def test_generators_are_refused(function: Any) -> None:
    with pytest.raises(TypeError, match="return a list instead of yielding"):
        FunctionStep(function, "f")


def test_what_cannot_be_called_by_name_is_refused() -> None:
    with pytest.raises(TypeError, match="by position only"):
        FunctionStep(lambda a, /: a, "f")
    with pytest.raises(TypeError, match="no signature"):
        FunctionStep(max, "f")
    with pytest.raises(TypeError, match="cannot be called"):
        FunctionStep(3, "f")  # type: ignore[arg-type]


# -- checking parameters


def test_missing_and_unexpected_parameters_are_problems() -> None:
    assert faults(lambda a, b=1: a, a=1) == []
    assert faults(lambda a, b=1: a) == ["a: nothing: f needs this parameter"]
    assert faults(lambda rate, b=1: rate, rate=1, rat=2) == [
        "rat: an unknown parameter: f has no such parameter; did you mean 'rate'?"
    ]
    assert "it has a, b" in faults(lambda a, b: a, a=1, b=2, zzz=3)[0]
    assert "take (context, step)" in faults(lambda: 1, zzz=3)[0]


def test_functions_that_take_anything_accept_anything() -> None:
    assert faults(lambda context, step: 1, a=1, context=2) == []
    assert faults(lambda **rest: 1, a=1, context=2) == []
    assert faults(lambda a, **rest: 1, b=1) == ["a: nothing: f needs this parameter"]


def test_a_parameter_may_not_be_called_as_what_the_engine_gives() -> None:
    assert "given to the function by the engine" in faults(lambda a, context: a, a=1, context=2)[0]
    assert "given to the function by the engine" in faults(lambda step, **r: 1, step=2)[0]


# -- the registry


def test_a_registered_type_is_found_and_those_who_wait_are_told() -> None:
    types = StepTypes()
    seen: list[tuple[str, bool]] = []
    end = types.on_register(lambda name: seen.append((name, types.get(name) is not None)))
    types.register(FunctionStep(lambda: 1, "one"))
    end()
    end()
    types.register(FunctionStep(lambda: 1, "another"))
    assert seen == [("one", True)]
    assert types.names() == ("another", "one")
    assert types.get("none") is None


@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_names_of_built_in_types_are_reserved(name: str) -> None:
    types = StepTypes()
    with pytest.raises(ValueError, match="is reserved for a built-in"):
        types.register(FunctionStep(lambda: 1, name))
    assert "register yours under another" in types.advice_for(name)
    assert types.names() == ()


def test_a_name_is_registered_once() -> None:
    first = FunctionStep(lambda: 1, "f")
    types = StepTypes()
    types.register(first)
    with pytest.raises(ValueError, match="registered already"):
        types.register(FunctionStep(lambda: 2, "f"))
    assert types.get("f") is first
