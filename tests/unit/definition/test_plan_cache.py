"""A definition that was compiled before is found by its content, never by its identity."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from indelible import ActorSystem, DefinitionError
from indelible import step as indelible_step
from indelible.actors.workflow.definition import plan_cache
from indelible.actors.workflow.definition.plan_cache import PlanCache, content_of


def workflow(*names: str) -> dict[str, Any]:
    return {"name": "known", "steps": [{"name": name, "type": "step"} for name in names]}


@pytest.fixture
def system() -> ActorSystem:
    return ActorSystem("memory://", steps=[step])


@indelible_step("step")
def step() -> None:
    """Do nothing."""


def test_the_same_content_is_compiled_once(
    system: ActorSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    with system:
        first = system.compile(workflow("a", "b"))
        monkeypatch.setattr("indelible.assembly.system_access.compile_definition", None)
        assert system.compile(workflow("a", "b")) is first


def test_a_definition_that_was_changed_is_another(system: ActorSystem) -> None:
    definition = workflow("a")
    with system:
        first = system.compile(definition)
        definition["steps"].append({"name": "b", "type": "step"})
        second = system.compile(definition)
    assert (first.steps_total, second.steps_total) == (1, 2)


def test_values_that_are_equal_and_of_other_types_are_other_contents() -> None:
    contents = {content_of({"x": value}) for value in (1, 1.0, True, "1", b"1", [1])}
    assert len(contents) == 6


def test_what_could_not_run_is_compiled_again(system: ActorSystem) -> None:
    definition = {"name": "known", "steps": [{"name": "a", "type": "later"}]}
    with system:
        with pytest.raises(DefinitionError, match="unknown step type 'later'"):
            system.compile(definition)
        system.register_step("later", lambda: None)
        assert system.compile(definition).steps_total == 1


def test_a_file_is_read_again(system: ActorSystem, tmp_path: Path) -> None:
    file = tmp_path / "known.json"
    with system:
        totals = []
        for names in ("a", "ab"):
            file.write_text(json.dumps(workflow(*names)))
            totals.append(system.compile(file).steps_total)
    assert totals == [1, 2]


def test_the_least_recently_used_is_forgotten(
    system: ActorSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan_cache, "MAX_PLANS", 2)
    plans = PlanCache()
    with system:
        made = [system.compile(workflow(name)) for name in "abc"]
        for plan, name in zip(made, (b"a", b"b", b"c"), strict=True):
            plans.add(plan, name)
            plans.find(b"a")
    assert [plans.find(name) is not None for name in (b"a", b"b", b"c")] == [True, False, True]
    assert [plan.digest in plans.checked for plan in made] == [True, False, True]
    assert plans.stored(made[2].encoded) is made[2]
    assert plans.stored(made[1].encoded) == made[1]  # compiled anew, and not known as checked
    assert made[1].digest not in plans.checked
