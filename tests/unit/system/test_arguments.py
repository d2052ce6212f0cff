"""What a system is given is kept, or refused when it is made; no error is one of the inside."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from indelible import ActorSystem, Decider, Projection
from indelible.events.memory.store import MemoryEventStore
from unit.inbox.counters import Add, Counter

STORES = [None, 5, b"x", [], object(), Path, MemoryEventStore]


@pytest.mark.parametrize("store", STORES, ids=lambda store: type(store).__name__)
def test_what_is_no_store_is_refused_with_what_is_one(store: Any) -> None:
    with pytest.raises(TypeError, match=r" is no store: give sqlite:///FILE .*, a path, or an Ev"):
        ActorSystem(store)


@pytest.mark.parametrize("name", ["agents.db", "a b%20c.db", "what?.db", "#1.db"])
def test_a_path_is_that_of_a_sqlite_file(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    with ActorSystem(file, actors=[Counter()]) as system:
        system.actor("counter", "c").ask(Add(5))
    assert file.is_file()
    with ActorSystem(system.url, actors=[Counter()], mode="read") as again:
        assert len(again.actor("counter", "c").events()) == 1


NUMBERS: dict[str, dict[type[Exception], list[Any]]] = {
    "drain": {TypeError: ["5", None, True, [5]], ValueError: [-1, -math.inf, math.nan]},
    "lease": {TypeError: ["5", False, [5]], ValueError: [0, -1, math.nan, math.inf]},
    "max_threads": {TypeError: ["3", None, True, 2.0, math.nan], ValueError: [0, -1]},
}
WRONG = [
    (name, value, error)
    for name, errors in NUMBERS.items()
    for error, values in errors.items()
    for value in values
]


@pytest.mark.parametrize(("name", "value", "error"), WRONG)
def test_a_number_that_cannot_work_is_refused_with_its_name(
    name: str, value: Any, error: type[Exception]
) -> None:
    options: dict[str, Any] = {name: value}
    with pytest.raises(error, match=f"^{name}=.*: give "):
        ActorSystem("memory://", **options)


@pytest.mark.parametrize("drain", [0, 0.0, 5, math.inf, 1e300, 10**30])
def test_any_number_of_seconds_from_0_is_one_to_drain(drain: float) -> None:
    with ActorSystem("memory://", drain=drain, max_threads=1) as system:
        system.register_step("one", lambda: 1)
        definition = {"name": "w", "steps": [{"name": "s", "type": "one"}]}
        assert system.workflow_agent("a").start(definition).result(30)["status"] == "success"


@pytest.mark.parametrize("name", ["actors", "projections"])
def test_what_is_no_instance_is_refused_with_what_is_one(name: str) -> None:
    kind: Any = {"actors": Decider, "projections": Projection}[name]

    class Own(kind):  # type: ignore[misc]
        pass

    wrong: list[tuple[Any, str]] = [
        ([int], f"^{name} holds <class 'int'>: give a {kind.__name__}$"),
        ([None], f"^{name} holds None: give a {kind.__name__}$"),
        ([Own], rf"^{name} holds <class .*: give Own\(\)$"),
        (5, f"^{name}=5: give a list of instances of {kind.__name__}$"),
        ("own", f"^{name}='own': give a list"),
        (Own(), f"^{name}=<.*: give a list"),
    ]
    for given, why in wrong:
        options: dict[str, Any] = {name: given}
        with pytest.raises(TypeError, match=why):
            ActorSystem("memory://", **options)
