"""A run that needs a lost blob is set aside without a failure, and goes on when it is restored."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from at_rest import edit
from gate import Gate
from indelible import ActorSystem, RunHandle, step
from indelible.actors.workflow.decide.resume_run import INTERRUPTIONS
from indelible.errors import StoreCorruptError, StoreUnavailableError
from indelible.events.codec.values import encode_value
from indelible.events.sqlite.store import SqlEventStore
from indelible.testing.contract.builders import url_of

SIZE = 80_000


def content_of(run_id: str) -> bytes:
    """The blob that the step ``big`` of a run leaves."""
    return encode_value(run_id * SIZE)


class Steps(Gate):
    """Steps that leave a blob, and others that read it, by a reference or in their context."""

    def steps(self) -> list[Any]:
        @step("big")
        def big(context: Any, step: Any) -> str:
            return str(context.run_id * SIZE)

        @step("refers")
        def refers(text: str) -> int:
            self.ran.append(text[:4])
            return len(text)

        @step("looks")
        async def looks(context: Any, step: Any) -> int:
            return len(context["load"])

        @step("swallows")
        def swallows(context: Any, step: Any) -> int:
            try:
                return len(context["load"])
            except Exception:  # noqa: BLE001 - as some functions do
                return 0

        @step("wraps")
        def wraps(context: Any, step: Any) -> int:
            self.ran.append("wraps")
            try:
                return len(context["load"])
            except StoreUnavailableError as error:
                raise RuntimeError("as some functions say it") from error

        return [*super().steps(), big, refers, looks, swallows, wraps]


def reading_by(kind: str, **more: Any) -> dict[str, Any]:
    params = {"params": {"text": {"ref": "steps.load"}}} if kind == "refers" else {}
    return {
        "name": kind,
        "steps": [
            {"name": "load", "type": "big"},
            {"name": "wait", "type": "gate"},
            {"name": "read", "type": kind, **params, **more},
        ],
    }


def opened(url: str, steps: Steps) -> ActorSystem:
    return ActorSystem(url, steps=steps.steps(), drain=0.1)


def begin(url: str, **definitions: dict[str, Any]) -> None:
    """Start runs, by id, and close the system while they wait at their gates."""
    steps = Steps()
    with opened(url, steps) as system:
        for run_id, definition in definitions.items():
            system.workflow_agent("agent").start(definition, run_id=run_id)
            assert steps.waiting.acquire(timeout=30)


def literal(url: str, content: bytes) -> str:
    return f"x'{content.hex()}'" if url.startswith("sqlite") else f"'\\x{content.hex()}'"


def remove(url: str, run_id: str) -> None:
    digest = literal(url, sha256(content_of(run_id)).digest())
    edit(url, f"DELETE FROM blobs WHERE digest = {digest}")


def alter(url: str, run_id: str) -> None:
    digest = literal(url, sha256(content_of(run_id)).digest())
    edit(url, f"UPDATE blobs SET content = {literal(url, b'other')} WHERE digest = {digest}")


def restore(url: str, run_id: str) -> None:
    content = content_of(run_id)
    digest = literal(url, sha256(content).digest())
    edit(url, f"DELETE FROM blobs WHERE digest = {digest}", touch=False)
    edit(url, f"INSERT INTO blobs (digest, content) VALUES ({digest}, {literal(url, content)})")


def recorded(system: ActorSystem, run_id: str) -> list[str]:
    return [event.type for event in system.store.read(f"run-{run_id}")]


@pytest.mark.parametrize("damage", [remove, alter])
def test_a_step_that_cannot_read_a_blob_sets_its_run_aside_until_that_is_restored(
    url: str, damage: Callable[[str, str], None]
) -> None:
    kinds = ("refers", "looks", "swallows")
    begin(url, whole=reading_by("refers"), **{kind: reading_by(kind) for kind in kinds})
    for kind in kinds:
        damage(url, kind)
    then = Steps(is_open=True)
    with opened(url, then) as system:
        assert system.run("whole").result(timeout=30)["status"] == "success"
        for kind in kinds:
            for asked in (RunHandle.result, RunHandle.status, RunHandle.result):
                with pytest.raises(StoreCorruptError) as caught:
                    asked(system.run(kind))
                assert caught.value.stream == f"run-{kind}"
                assert "the result of step 'load'" in str(caught.value)
                assert sha256(content_of(kind)).hexdigest() in str(caught.value)
                assert "restore this from a backup" in str(caught.value)
            assert not {"run.step_failed", "run.failed"} & set(recorded(system, kind))
            assert recorded(system, kind)[-1] != "run.completed"
    assert then.ran == ["whol"]
    for kind in kinds:
        restore(url, kind)
    with opened(url, Steps(is_open=True)) as system:
        for kind in kinds:
            assert system.run(kind).result(timeout=30)["result"]["read"] == len(kind) * SIZE


def test_a_step_that_was_not_called_is_ready_again_by_any_policy_and_however_often_it_is_tried(
    tmp_path: Path,
) -> None:
    url = url_of(tmp_path / "store.db")
    begin(url, r=reading_by("refers"), f=reading_by("refers", on_unknown_outcome="fail"))
    for run_id in ("r", "f"):
        remove(url, run_id)
    for _ in range(INTERRUPTIONS + 1):
        with opened(url, Steps(is_open=True)) as system:
            for run_id in ("r", "f"):
                with pytest.raises(StoreCorruptError, match="'load'"):
                    system.run(run_id).result(timeout=30)
    for run_id in ("r", "f"):
        restore(url, run_id)
    with opened(url, Steps(is_open=True)) as system:
        for run_id in ("r", "f"):
            assert system.run(run_id).result(timeout=30)["status"] == "success"


def test_the_result_of_an_ended_run_names_the_step_whose_blob_is_lost(url: str) -> None:
    with opened(url, Steps(is_open=True)) as system:
        system.workflow_agent("agent").start(reading_by("looks"), run_id="r").result(timeout=30)
    remove(url, "r")
    with opened(url, Steps(is_open=True)) as system:
        with pytest.raises(StoreCorruptError, match=r"'run-r' .*step 'load' .*blob .* is missing"):
            system.run("r").result(timeout=30)
        restore(url, "r")
        assert system.run("r").result(timeout=30)["result"]["load"] == "r" * SIZE


@pytest.fixture
def failures(monkeypatch: pytest.MonkeyPatch) -> list[StoreUnavailableError]:
    """What the next looks for a blob raise."""
    failures = [StoreUnavailableError("it is locked")] * 2
    blob = SqlEventStore.blob

    def fails(store: SqlEventStore, digest: bytes) -> bytes:
        if failures:
            raise failures.pop()
        return blob(store, digest)

    monkeypatch.setattr(SqlEventStore, "blob", fails)
    return failures


def test_a_step_waits_for_a_database_that_does_not_give_what_it_refers_to(
    tmp_path: Path, failures: list[StoreUnavailableError]
) -> None:
    steps = Steps(is_open=True)
    with opened(url_of(tmp_path / "store.db"), steps) as system:
        run = system.workflow_agent("agent").start(reading_by("refers"), run_id="r")
        assert run.result(timeout=30)["status"] == "success"
        assert failures == []
        assert "run.step_failed" not in recorded(system, "r")
    assert steps.ran == ["rrrr"]


@pytest.mark.parametrize("kind", ["looks", "wraps"])
def test_a_step_whose_function_the_database_fails_is_called_again_and_has_not_failed(
    tmp_path: Path, failures: list[StoreUnavailableError], kind: str
) -> None:
    steps = Steps(is_open=True)
    with opened(url_of(tmp_path / "store.db"), steps) as system:
        run = system.workflow_agent("agent").start(reading_by(kind), run_id="r")
        assert run.result(timeout=30)["status"] == "success"
        assert failures == []
        assert "run.step_failed" not in recorded(system, "r")
        assert [step["attempts"] for step in run.status()["steps"]] == [1, 1, 1]
    assert steps.ran == ["wraps"] * 3 * (kind == "wraps")


def test_what_a_step_makes_of_a_database_that_fails_is_its_result(
    tmp_path: Path, failures: list[StoreUnavailableError]
) -> None:
    del failures[1:]
    with opened(url_of(tmp_path / "store.db"), Steps(is_open=True)) as system:
        run = system.workflow_agent("agent").start(reading_by("swallows"), run_id="r")
        assert run.result(timeout=30)["result"]["read"] == 0
        assert run.status()["steps"][-1]["attempts"] == 1


@pytest.mark.parametrize("policy", ["ask", "fail"])
def test_a_step_that_may_not_run_again_unasked_fails_by_a_database_that_fails(
    tmp_path: Path, failures: list[StoreUnavailableError], policy: str
) -> None:
    del failures[1:]
    steps = Steps(is_open=True)
    with opened(url_of(tmp_path / "store.db"), steps) as system:
        definition = reading_by("wraps", on_unknown_outcome=policy)
        run = system.workflow_agent("agent").start(definition, run_id="r")
        assert run.result(timeout=30)["status"] == "failed"
    assert steps.ran == ["wraps"]


def test_an_attempt_whose_function_was_called_is_not_given_back_as_one_that_never_began(
    tmp_path: Path, failures: list[StoreUnavailableError]
) -> None:
    failures *= 100
    url, steps = url_of(tmp_path / "store.db"), Steps(is_open=True)
    with opened(url, steps) as system:
        run = system.workflow_agent("agent").start(reading_by("wraps"), run_id="r")
        while "an earlier result cannot be read now" not in " ".join(run.status()["waiting_for"]):
            pass  # until the first call has failed
    failures.clear()
    with opened(url, steps) as system:
        assert system.run("r").result(timeout=30)["status"] == "success"
        assert "run.steps_released" not in recorded(system, "r")
        assert system.run("r").status()["steps"][-1]["attempts"] == 2, "as after a crash"
