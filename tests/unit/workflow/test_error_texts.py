"""After a step's return nothing loses the run: neither the error's own text nor the result."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator

    from unit.workflow.conftest import Flow

ENDS = [SystemExit, KeyboardInterrupt, GeneratorExit, asyncio.CancelledError, MemoryError]


class Wordless(Exception):  # noqa: N818 - its text is what matters
    """An error whose texts raise what it was given."""

    def __str__(self) -> str:
        raise self.args[0]

    __repr__ = __str__


class Zone(dt.tzinfo):
    """A time zone that raises when the value in it is encoded."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def utcoffset(self, when: dt.datetime | None) -> dt.timedelta:
        raise self.error

    dst = utcoffset

    def tzname(self, when: dt.datetime | None) -> str:
        raise self.error


class BadKey:
    """A key whose text raises when the message about it is made."""

    def __repr__(self) -> str:
        raise SystemExit("no text")


def fail_in(flow: Flow, kind: str, function: Callable[[], Any]) -> dict[str, Any]:
    """Run ``function`` beside a step that works; the failed step's entry."""

    async def function_async() -> Any:
        return function()

    flow.system.register_step("bad", function if kind == "sync" else function_async)
    flow.system.register_step("good", lambda: 1)
    steps = [{"name": "bad", "type": "bad"}, {"name": "good", "type": "good"}]
    outcome = flow.run({"pattern": "parallel", "steps": steps})
    assert outcome["status"] == "partial"
    assert flow.run({"steps": [{"type": "good"}]}, "next")["status"] == "success"
    flow.check()
    entry: dict[str, Any] = outcome["result"]["bad"]
    return entry


def raises(error: BaseException) -> Callable[[], Any]:
    def function() -> None:
        raise error

    return function


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("end", ENDS)
def test_an_error_whose_own_text_raises_is_a_failed_step(
    flow: Flow, end: type[BaseException], kind: str
) -> None:
    entry = fail_in(flow, kind, raises(Wordless(end("no text"))))
    assert entry["error_type"] == "Wordless"
    assert entry["error"] == f"its text cannot be read: {end.__name__}"


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("end", [*ENDS, ZeroDivisionError])
def test_a_result_that_raises_while_it_is_encoded_is_a_failed_step(
    flow: Flow, end: type[BaseException], kind: str
) -> None:
    moment = dt.datetime(2024, 2, 29, tzinfo=Zone(end("no offset")))
    entry = fail_in(flow, kind, lambda: {"at": [moment]})
    assert entry["error_type"] == end.__name__


@pytest.mark.parametrize(
    ("result", "error_type"),
    [
        ({"rows": [{BadKey(): 1}]}, "SystemExit"),
        ({"success": False, "error": Wordless(SystemExit("no text"))}, "SystemExit"),
        ({"success": False, "error": BadKey()}, "SystemExit"),
        ({"x": {1, 2}}, "ValueNotStorableError"),
        ("half \ud800", "ValueNotStorableError"),
    ],
    ids=["key", "error", "reason", "set", "surrogate"],
)
def test_a_result_that_cannot_be_told_is_a_failed_step(
    flow: Flow, result: Any, error_type: str
) -> None:
    assert fail_in(flow, "sync", lambda: result)["error_type"] == error_type


def test_a_coroutine_that_nobody_awaits_is_a_failed_step_whatever_it_does(flow: Flow) -> None:
    class Pause:
        def __await__(self) -> Generator[None]:
            yield

    async def stubborn() -> None:
        try:
            await Pause()
        finally:
            raise SystemExit("not yet")

    def begun() -> Coroutine[Any, Any, None]:
        coroutine = stubborn()
        coroutine.send(None)
        return coroutine

    entry = fail_in(flow, "sync", begun)
    assert entry["error_type"] == "ValueNotStorableError"
    assert "calls an async one and does not await it" in entry["error"]


def test_a_text_of_any_kind_is_kept_within_bounds(flow: Flow) -> None:
    class Text(str):
        __slots__ = ()

        def __len__(self) -> int:
            return 0

        def __getitem__(self, _: Any) -> Any:
            return 7

        def encode(self, *_: Any, **__: Any) -> Any:
            return None

    class Lying(Exception):  # noqa: N818 - as above
        def __str__(self) -> str:
            return Text("a text of its own")

    noted = ValueError("noted")
    noted.__notes__ = [BadKey(), "never read"]  # type: ignore[list-item] # pyright: ignore[reportAttributeAccessIssue]
    listed = ValueError("listed")
    listed.__notes__ = "no list"  # type: ignore[assignment]
    many = ValueError("many")
    many.__notes__ = ["n" * 1_000] * 1_000
    errors = {
        "lying": Lying(),
        "long": ValueError("x" * 1_000_000),
        "nul": ValueError("nul \0 and \ud800"),
        "noted": noted,
        "listed": listed,
        "many": many,
    }
    for name, error in errors.items():
        flow.system.register_step(name, raises(error))
    steps = [{"name": name, "type": name} for name in errors]
    result = flow.run({"pattern": "parallel", "steps": steps})["result"]
    said = {name: result[name]["error"] for name in errors}
    assert said["nul"] == "nul \0 and ?"
    assert said["long"].endswith("(1,000,000 characters in all)")
    assert len(said["long"]) < 8_300
    assert said["noted"] == "its text cannot be read: SystemExit"
    assert said["listed"] == "listed"
    assert len(said["many"]) < 10_000
    assert result["lying"]["error_type"] == "Lying"
    assert said["lying"] == "a text of its own"
    flow.check()
