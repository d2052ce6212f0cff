"""Ids, outcomes, values: what a caller gives and gets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pytest

from indelible import ActorSystem
from indelible.api.facade import access_to
from indelible.errors import (
    DefinitionError,
    PayloadTooLargeError,
    RefusedError,
    ResultTimeoutError,
    RunExistsError,
    StoreReadOnlyError,
    StoreUnavailableError,
    SystemClosedError,
    UnknownRunError,
    ValueNotStorableError,
)
from indelible.events.model.run_events import StepCompleted

if TYPE_CHECKING:
    from unit.workflow.conftest import Flow, Gate

ONE = {"steps": [{"name": "one", "type": "give"}]}


@pytest.fixture(autouse=True)
def give(flow: Flow) -> None:
    @flow.step
    def give(context: Any, step: Any) -> Any:
        return step["params"].get("value", "given")


def test_an_outcome_is_a_read_only_mapping_with_fixed_keys(flow: Flow) -> None:
    outcome = flow.run(ONE, "r1", input={"k": 1})
    assert list(outcome) == [
        "run_id",
        "workflow",
        "agent_id",
        "status",
        "result",
        "error",
        "steps_completed",
        "steps_failed",
        "steps_skipped",
        "steps_total",
        "execution_time_ms",
        "checkpoints_created",
    ]
    assert len(outcome) == 12
    assert outcome["run_id"] == "r1"
    assert (outcome["workflow"], outcome["agent_id"]) == ("w", "a")
    assert outcome["execution_time_ms"] >= 0
    with pytest.raises(TypeError):
        outcome["status"] = "x"  # type: ignore[typeddict-item, typeddict-readonly-mutated]
    with pytest.raises(KeyError):
        outcome["nope"]  # type: ignore[typeddict-item]
    assert isinstance(outcome, Mapping)
    assert type(outcome).__name__ == "Outcome"
    assert repr(outcome).startswith("<Outcome {'run_id': 'r1'")
    assert "given" not in repr(outcome)
    json.dumps(dict(outcome))


def test_a_run_gets_an_id_of_its_own_when_none_is_given(flow: Flow) -> None:
    agent = flow.system.workflow_agent("a")
    runs = [agent.start({"name": "w", **ONE}) for _ in range(3)]
    assert len({run.run_id for run in runs}) == 3
    assert repr(runs[0]) == f"<RunHandle {runs[0].run_id!r}>"
    assert flow.system.run(runs[0].run_id).result(20)["status"] == "success"


@pytest.mark.parametrize("when", ["live", "ended", "gone from memory", "reopened"])
def test_the_same_id_again_is_the_same_run_and_other_contents_are_refused(
    flow: Flow, gate: Gate, when: str
) -> None:
    calls = []

    @flow.step
    def once(context: Any, step: Any) -> int:
        calls.append(context.run_id)
        if when == "live":
            gate()
        return len(calls)

    definition = {"steps": [{"name": "one", "type": "once"}]}
    run = flow.start(definition, input={"a": 1, "b": [{"c": 1, "d": 2}]})
    if when == "live":
        gate.wait()
    else:
        run.result(20)
    if when == "gone from memory":
        flow.run(ONE, "another")
        actor = access_to(flow.system).directory.live("run-r")
        assert actor is None or access_to(flow.system).directory.passivate(actor)
    if when == "reopened":
        flow.system.close()
        flow.system.open()
    again = flow.start(definition, input={"b": [{"d": 2, "c": 1}], "a": 1})
    others: tuple[tuple[dict[str, Any], tuple[str, ...]], ...] = (
        ({"definition": ONE}, ("definition",)),
        ({"input": {"a": 2}}, ("input",)),
        ({"agent": "b"}, ("agent",)),
        ({"agent": "b", "definition": ONE, "input": None}, ("agent", "definition", "input")),
    )
    for other, differs in others:
        agent = flow.system.workflow_agent(other.get("agent", "a"))
        given = other.get("input", {"a": 1, "b": [{"c": 1, "d": 2}]})
        with pytest.raises(RunExistsError) as taken:
            agent.start(
                {"name": "w", **other.get("definition", definition)}, run_id="r", input=given
            )
        assert taken.value.differs == differs
        assert f"another {' and '.join(differs)};" in str(taken.value)
    gate.go.set()
    assert again.result(20)["result"] == {"one": 1}
    assert calls == ["r"]


def test_many_runs_start_together_and_each_is_durable(flow: Flow) -> None:
    agent = flow.system.workflow_agent("a")
    runs = agent.start_many([(f"r{i}", {"i": i}) for i in range(50)], {"name": "w", **ONE})
    assert [run.run_id for run in runs] == [f"r{i}" for i in range(50)]
    assert len(flow.store.heads("run")) == 50
    assert {run.result(20)["status"] for run in runs} == {"success"}
    twice = agent.start_many([("r1", {"i": 1}), ("r1", {"i": 1}), (None, {})], {"name": "w", **ONE})
    assert [run.run_id for run in twice[:2]] == ["r1", "r1"]
    assert len(twice) == 3
    with pytest.raises(RunExistsError):
        agent.start_many([("new", {}), ("r1", {"i": 9})], {"name": "w", **ONE})
    assert flow.system.run("new").result(20)["status"] == "success"


@pytest.mark.parametrize("run_id", ["", "x" * 201, "a\nb", "\ud800", 7, b"x"])
def test_an_id_that_cannot_name_a_stream_is_refused(flow: Flow, run_id: Any) -> None:
    for call in (
        lambda: flow.start(ONE, run_id),
        lambda: flow.system.run(run_id),
        lambda: flow.system.workflow_agent(run_id),
    ):
        with pytest.raises(RefusedError, match="1 to 200 printable"):
            call()
    assert flow.store.heads("run") == []


def test_ids_that_look_like_paths_or_sql_are_only_ids(flow: Flow) -> None:
    for run_id in ("../../etc/passwd", "a-b-c", "'; DROP TABLE events", "ü", "x" * 200):
        assert flow.run(ONE, run_id)["run_id"] == run_id
    assert len(flow.store.heads("run")) == 5


def test_an_unknown_run_is_an_error(flow: Flow) -> None:
    with pytest.raises(UnknownRunError, match="no run 'nope' in memory://"):
        flow.system.run("nope")


def test_a_new_run_with_an_unknown_step_type_is_a_definition_error(flow: Flow) -> None:
    with pytest.raises(DefinitionError, match="unknown step type 'giev'") as error:
        flow.start({"steps": [{"name": "one", "type": "giev"}]})
    assert error.value.problems[0].path == "steps[0].type"
    assert flow.store.heads("run") == []


@pytest.mark.parametrize("given", [[1], "text", 7, {1: 2}, {"a": {1, 2}}, {"a": object()}])
def test_an_input_that_cannot_be_stored_is_refused_before_anything_is(
    flow: Flow, given: Any
) -> None:
    with pytest.raises((DefinitionError, ValueNotStorableError)):
        flow.start(ONE, input=given)
    assert flow.store.heads("run") == []


def test_an_input_over_the_limit_is_refused(flow: Flow) -> None:
    with pytest.raises(PayloadTooLargeError, match="the input is 1,048,5"):
        flow.start(ONE, input={"a": "x" * 1024 * 1024})


@pytest.mark.parametrize("size", [60_000, 70_000, 3_000_000])
def test_a_large_result_is_kept_in_a_blob_and_read_like_any_other(flow: Flow, size: int) -> None:
    @flow.step
    def large(context: Any, step: Any) -> str:
        return "x" * size

    @flow.step
    def length(context: Any, step: Any) -> int:
        return len(context["large"])

    steps = [{"name": "large", "type": "large"}, {"name": "length", "type": "length"}]
    outcome = flow.run({"steps": steps})
    assert outcome["result"] == {"large": "x" * size, "length": size}
    completed = next(event for event in flow.events() if isinstance(event, StepCompleted))
    assert bool(completed.blob) == (size > 65_536)
    assert len(completed.result) < 65_537
    assert completed.size == size + (3 if size < 65_536 else 5)
    flow.system.close()
    flow.system.open()
    assert flow.system.run("r").result(20)["result"]["large"] == "x" * size


def test_a_result_over_the_limit_fails_its_step_and_the_run_ends(flow: Flow) -> None:
    @flow.step
    def huge(context: Any, step: Any) -> bytes:
        return bytes(64 * 1024 * 1024)

    outcome = flow.run({"steps": [{"name": "huge", "type": "huge", "retry": 3}]})
    error = outcome["error"]
    assert error is not None
    assert error["type"] == "PayloadTooLargeError"
    assert "67,108,869 bytes encoded, the limit is 67,108,864" in error["message"]
    assert flow.types() == ["accepted", "step_failed", "failed"]


@pytest.mark.parametrize(
    ("value", "path", "found"),
    [
        (frozenset((1, 2)), "$", "a frozenset"),
        ({"rows": [1, {"x": {1}}]}, "$.rows[1].x", "a set"),
        ({"a": {1: 2}}, "$.a[1]", "an int as a key"),
        (2**64, "$", "an int beyond 64 bits"),
        ("\ud800", "$", "half a surrogate pair"),
    ],
)
def test_a_result_that_cannot_be_stored_names_step_and_path(
    flow: Flow, value: Any, path: str, found: str
) -> None:
    flow.system.register_step("bad", lambda context, step: value)
    outcome = flow.run({"steps": [{"name": "culprit", "type": "bad", "retry": 3}]})
    error = outcome["error"]
    assert error is not None
    assert error["type"] == "ValueNotStorableError"
    assert error["message"].startswith(f"{path} is ")
    assert found in error["message"]
    assert "step 'culprit'" in error["message"]
    assert flow.system.run("r").status()["steps"][0]["attempts"] == 1  # again is no better


def test_a_result_that_takes_too_long_is_a_time_out_and_the_run_goes_on(
    flow: Flow, gate: Gate
) -> None:
    @flow.step
    def held(context: Any, step: Any) -> str:
        gate()
        return "done"

    run = flow.start({"steps": [{"name": "one", "type": "held"}]})
    gate.wait()
    for timeout in (0, 0.01):
        with pytest.raises(ResultTimeoutError, match="it continues") as late:
            run.result(timeout)
        assert late.value.run_id == "r"
        assert late.value.waiting_for == ()

    async def in_vain() -> None:
        await run.result_async(0.01)

    with pytest.raises(ResultTimeoutError):
        asyncio.run(in_vain())
    gate.go.set()
    assert run.result(20)["result"] == {"one": "done"}


def test_results_are_there_for_all_who_wait_and_all_who_come_later(flow: Flow, gate: Gate) -> None:
    @flow.step
    def held(context: Any, step: Any) -> str:
        gate()
        return "done"

    async def wait_together() -> list[Any]:
        run = await flow.system.workflow_agent("a").start_async(
            {"name": "w", "steps": [{"name": "one", "type": "held"}]}, run_id="r"
        )
        waiting = [asyncio.ensure_future(run.result_async(20)) for _ in range(5)]
        await asyncio.to_thread(gate.wait)
        gate.go.set()
        return [outcome["result"] for outcome in await asyncio.gather(*waiting)]

    assert asyncio.run(wait_together()) == [{"one": "done"}] * 5
    assert flow.system.run("r").result(0.0 + 20)["result"] == {"one": "done"}
    access_to(flow.system).parts.executor.endings._recent.clear()
    assert flow.system.run("r").result(20)["result"] == {"one": "done"}


def test_async_twins_do_what_their_blocking_sisters_do(flow: Flow) -> None:
    async def use() -> None:
        async with ActorSystem("memory://", steps=[]) as system:
            system.register_step("give", lambda context, step: 1)
            agent, definition = system.workflow_agent("a"), {"name": "w", **ONE}
            run = await agent.start_async(definition, run_id="r")
            assert (await run.result_async(20))["result"] == {"one": 1}
            assert (await (await system.run_async("r")).status_async())["state"] == "completed"
            assert len(await run.events_async()) == 3
            runs = await agent.start_many_async([("x", {}), ("y", {})], definition)
            assert [(await one.result_async(20))["status"] for one in runs] == ["success"] * 2
            outcome = await agent.execute_workflow_async(definition, timeout=20)
            assert outcome["status"] == "success"
            assert await system.caught_up_async(20)

    asyncio.run(use())


def test_who_waits_for_a_run_when_the_system_closes_is_told(flow: Flow, gate: Gate) -> None:
    @flow.step
    async def sleeper(context: Any, step: Any) -> None:
        gate.entered.release()
        await asyncio.Event().wait()

    async def wait() -> None:
        run = await flow.system.workflow_agent("a").start_async(
            {"name": "w", "steps": [{"name": "one", "type": "sleeper"}]}
        )
        waiting = asyncio.ensure_future(run.result_async())
        await asyncio.to_thread(gate.wait)
        flow.system._drain = 0.0
        await flow.system.close_async()
        with pytest.raises(SystemClosedError):
            await waiting

    asyncio.run(wait())


def test_the_status_is_plain_data_at_any_version(flow: Flow) -> None:
    flow.run({"steps": [{"name": "one", "type": "give"}, {"name": "two", "type": "give"}]})
    run = flow.system.run("r")
    for version, states in (
        (1, ["running", "pending"]),
        (2, ["completed", "running"]),
        (None, ["completed", "completed"]),
    ):
        status = run.status(as_of=version)
        assert [step["state"] for step in status["steps"]] == states
        assert json.loads(json.dumps(status)) == status
    status["steps"].clear()
    assert len(run.status()["steps"]) == 2
    assert next(iter(run.events())).type == "run.accepted"


def test_a_reader_in_another_system_sees_runs_and_starts_none(flow: Flow, tmp_path: Any) -> None:
    url = f"sqlite:///{tmp_path}/runs.db"
    with ActorSystem(url) as system:
        system.register_step("give", lambda context, step: 1)
        system.workflow_agent("a").execute_workflow({"name": "w", **ONE}, run_id="r", timeout=20)
        with ActorSystem(url, mode="read") as reader:
            assert reader.run("r").result(20)["result"] == {"one": 1}
            assert reader.run("r").status()["state"] == "completed"
            with pytest.raises(UnknownRunError):
                reader.run("nope")
            reader.register_step("give", lambda context, step: 1)
            with pytest.raises(StoreReadOnlyError, match=r"mode=.read"):
                reader.workflow_agent("a").start({"name": "w", **ONE})


def test_a_run_in_memory_is_found_without_the_database(
    flow: Flow, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    @flow.step
    def stuck(context: Any, step: Any) -> None:
        gate()

    flow.start({"name": "w", "steps": [{"name": "s", "type": "stuck"}]})
    gate.wait()

    def head(stream: str) -> None:
        raise StoreUnavailableError("a test says so")

    monkeypatch.setattr(flow.store, "head", head)
    run = flow.system.run("r")
    with pytest.raises(StoreUnavailableError):
        flow.system.run("another")
    gate.go.set()
    assert run.result(20)["status"] == "success"
