"""When a system opens, its views are told whether they should let resumed runs go first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from indelible.projections.engine.runner import ProjectionRunner

if TYPE_CHECKING:
    import pytest

    from unit.workflow.conftest import Flow, Gate


def test_the_views_are_told_whether_runs_resume(
    flow: Flow, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    bursts: list[bool] = []
    release = ProjectionRunner.release

    def spied(runner: ProjectionRunner, *, burst: bool) -> None:
        bursts.append(burst)
        release(runner, burst=burst)

    @flow.step
    def once(context: Any, step: Any) -> None:
        if context.attempt == 1:
            gate()

    flow.start({"steps": [{"name": "one", "type": "once"}]})
    gate.wait()
    flow.cut_off()
    gate.go.set()
    monkeypatch.setattr(ProjectionRunner, "release", spied)
    with flow.make() as system:
        system.run("r").result(20)
        assert system.caught_up(20)
    with flow.make():
        pass
    assert bursts == [True, False]
