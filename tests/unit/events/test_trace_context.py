"""Values of the headers of W3C Trace Context are told from others as the recommendation says."""

from __future__ import annotations

import pytest

from indelible.events.model.trace_context import is_traceparent, is_tracestate

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
GIVEN = f"00-{TRACE}-{PARENT}-01"


@pytest.mark.parametrize("text", [GIVEN, f"00-{TRACE}-{PARENT}-ff", f"cc-{TRACE}-{PARENT}-00-what"])
def test_a_traceparent_of_this_or_a_later_version_is_one(text: str) -> None:
    assert is_traceparent(text)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "00",
            GIVEN[:-1],
            f"{GIVEN}\n",
            f" {GIVEN}",
            f"{GIVEN}-more",
            GIVEN.replace("-", "_"),
        ),
        *(GIVEN.upper(), f"ff-{TRACE}-{PARENT}-01", f"0g-{TRACE}-{PARENT}-01"),
        *(f"00-{'0' * 32}-{PARENT}-01", f"00-{TRACE}-{'0' * 16}-01", f"00-{TRACE}0-{PARENT}-01"),
        *(
            f"cc-{TRACE}-{PARENT}-01.more",
            f"cc-{TRACE}-{PARENT}-01-a\0",
            f"cc-{GIVEN[3:]}-{'a' * 200}",
        ),
        GIVEN.replace("1", "\u0661"),  # a digit, but none of these
    ],
)
def test_anything_else_is_no_traceparent(text: str) -> None:
    assert not is_traceparent(text)


@pytest.mark.parametrize(
    "text",
    [
        *("rojo=00f067aa0ba902b7", "rojo=1,congo=2", "rojo=1 ,\tcongo=2", "a=1,,b=2", "a= b c"),
        *("fw529a3039@dt=FfFf", "1a@b=!", "a_-*/=~", ",".join(f"k{n}=v" for n in range(32))),
        f"a={'v' * 256}",
    ],
)
def test_a_list_of_entries_is_a_tracestate(text: str) -> None:
    assert is_tracestate(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", ",", "rojo", "rojo=", "=1", "Rojo=1", "1a=b", "a=b=c", "a=1,a=2", "a=é", "a=\0"),
        *(",".join(f"k{n}=v" for n in range(33)), f"a={'v' * 257}", "a=1\n", "a@b@c=1"),
        ",".join(f"k{n}={'v' * 100}" for n in range(5)),
    ],
)
def test_anything_else_is_no_tracestate(text: str) -> None:
    assert not is_tracestate(text)
