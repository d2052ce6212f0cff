"""Answers between processes: values, and errors of a closed table."""

from __future__ import annotations

import inspect
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, get_type_hints

import msgspec
import pytest

from indelible.errors import (
    ActorFailedError,
    DefinitionError,
    IndelibleError,
    Problem,
    RefusedError,
    RunExistsError,
    ValueDecodeError,
    ValueNotStorableError,
)
from indelible.remote.answer_codec import ERRORS, Answer, decode_answer, encode_error, encode_reply


class Total(msgspec.Struct, frozen=True):
    value: int


def again(reply: Any) -> Any:
    return decode_answer(encode_reply("counter-c", reply, {"Total": Total}), {"Total": Total})


def example(cls: type[IndelibleError]) -> IndelibleError:
    values: dict[Any, Any] = {str: "text", int: 7, float: 2.5}
    hints = get_type_hints(cls.__init__)
    given = {
        name: values.get(hints[name], ["a", "b"])
        for name, parameter in inspect.signature(cls.__init__).parameters.items()
        if name != "self" and parameter.kind is not parameter.VAR_KEYWORD
    }
    if cls is DefinitionError:
        given["problems"] = [Problem("steps[0]", "nothing", "give one")]
    return cls(**given)


@pytest.mark.parametrize(
    "reply",
    [None, 7, {"a": [1, Decimal("1.5")]}, datetime(2026, 1, 1, tzinfo=UTC), Total(3)],
)
def test_a_reply_comes_back_as_it_was(reply: Any) -> None:
    assert again(reply) == reply
    assert type(again(reply)) is type(reply)


@pytest.mark.parametrize("cls", ERRORS.values(), ids=lambda cls: cls.__name__)
def test_an_error_of_the_table_comes_back_whole(cls: type[IndelibleError]) -> None:
    error = example(cls)
    found = again(error)
    assert type(found) is cls
    assert str(found) == str(error)
    assert vars(found) == vars(error)


def test_an_error_of_a_subclass_comes_back_as_what_the_table_has() -> None:
    class NotEnoughError(RefusedError):
        pass

    found = again(NotEnoughError("not enough", balance=3))
    assert type(found) is RefusedError
    assert vars(found) == {"reason": "not enough", "balance": 3}


@pytest.mark.parametrize(
    "error", [ZeroDivisionError("a\0b \ud800"), RefusedError("no", why={1, 2}), KeyError()]
)
def test_what_the_table_has_not_comes_back_in_words(error: BaseException) -> None:
    found = again(error)
    assert type(found) is ActorFailedError
    parts = vars(found)
    assert parts["actor"] == "counter-c"
    assert type(error).__name__ in parts["failure"]
    assert "\0" not in parts["failure"]


def test_a_reply_that_cannot_be_stored_is_answered_with_what_is_wrong_with_it() -> None:
    found = again({"a": {1, 2}})
    assert type(found) is ValueNotStorableError
    assert found.path == "$.a"


def test_a_type_that_is_not_listed_is_no_reply() -> None:
    class Other(msgspec.Struct):
        value: int

    assert type(again(Other(1))) is ValueNotStorableError


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"\x91\x00",
        msgspec.msgpack.encode(Answer("os.system", "", b"\x80")),
        msgspec.msgpack.encode(Answer("", "Popen", b"\x80")),
        msgspec.msgpack.encode(Answer("", "Total", b"\xa1x")),
    ],
)
def test_bytes_that_are_no_answer_are_refused(data: bytes) -> None:
    with pytest.raises(ValueDecodeError):
        decode_answer(data, {"Total": Total})


def test_names_on_the_wire_stay_what_they_are() -> None:
    assert {name: cls.__name__ for name, cls in ERRORS.items()} == {
        "corrupt": "StoreCorruptError",
        "decode": "ValueDecodeError",
        "definition": "DefinitionError",
        "extra": "MissingExtraError",
        "failed": "ActorFailedError",
        "full": "MailboxFullError",
        "quarantined": "ActorQuarantinedError",
        "read_only": "StoreReadOnlyError",
        "refused": "RefusedError",
        "run_exists": "RunExistsError",
        "timeout": "AskTimeoutError",
        "too_large": "PayloadTooLargeError",
        "unknown_connection": "UnknownConnectionError",
        "unknown_projection": "UnknownProjectionError",
        "unknown_run": "UnknownRunError",
        "unstorable": "ValueNotStorableError",
    }
    data = encode_error("run-1", RunExistsError("1", ["input"]))
    assert msgspec.msgpack.decode(data)[0] == "run_exists"
