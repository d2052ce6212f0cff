"""A workflow agent: a durable name that starts runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from indelible.actors.runtime.future import PooledFuture
from indelible.actors.workflow.definition.plan import Plan
from indelible.actors.workflow.run_messages import AcceptRun
from indelible.api.run_handle import RunHandle
from indelible.arguments.ids_and_timeouts import check_id, check_timeout
from indelible.arguments.run_input import encode_input
from indelible.assembly.system_access import SystemAccess
from indelible.effect_handlers.known_definitions import Definition
from indelible.events.model.message_context import Context
from indelible.runs.outcome import Outcome


class WorkflowAgent:
    """A named agent: the same name in the same store is the same agent, in any process.

    Attributes:
        name: Name of the agent.
    """

    def __init__(self, access: SystemAccess, name: str) -> None:
        """Name the agent; no I/O."""
        self.name = name
        self._access = access

    def __repr__(self) -> str:
        """Name the agent."""
        return f"<WorkflowAgent {self.name!r}>"

    def start(
        self,
        definition: Definition,
        *,
        run_id: str | None = None,
        input: Any = None,  # noqa: A002 - the word of the field
        by: str | None = None,
        why: str | None = None,
        correlation_id: str | None = None,
    ) -> RunHandle:
        """Start a run and return when its start is durable: after a crash the run is finished.

        Args:
            definition: The workflow.
            run_id: Unique in the store, 1 to 200 printable characters; a new one by default.
            input: The run's input, which steps can refer to: a mapping of storable values; empty by
                default.
            by: The principal on whose behalf you call; recorded in every event of the run, and in
                those that the run causes elsewhere.
            why: The reason; recorded likewise.
            correlation_id: The request to which the run belongs; recorded likewise; the run's id by
                default.

        Raises:
            RefusedError: An id, ``by`` or ``why`` is not valid text; nothing was started.
            DefinitionError: The definition or the input cannot be run; nothing was started.
            RunExistsError: The id belongs to a run with other contents; nothing was started.
            ValueNotStorableError, PayloadTooLargeError: About ``input``; nothing was started.
            StoreUnavailableError, AskTimeoutError: The run may have started; retry with the same
                id.
        """
        self._access.check_may_block("start", "start_async")
        context = self._access.calling(by, why, correlation_id)
        return self._start(definition, run_id, input, context)

    async def start_async(
        self,
        definition: Definition,
        *,
        run_id: str | None = None,
        input: Any = None,  # noqa: A002 - as above
        by: str | None = None,
        why: str | None = None,
        correlation_id: str | None = None,
    ) -> RunHandle:
        """Do what :meth:`start` does without blocking the event loop."""
        context = self._access.calling(by, why, correlation_id)
        return await self._start_async(definition, run_id, input, context)

    def start_many(
        self,
        runs: Sequence[tuple[str | None, Any]],
        definition: Definition,
        *,
        by: str | None = None,
        why: str | None = None,
        correlation_id: str | None = None,
    ) -> list[RunHandle]:
        """Start a run for each (run_id, input) and return when all starts are durable.

        The other parameters are those of :meth:`start`.

        Raises:
            Errors of :meth:`start`, for the first run that cannot start; the others have started.
        """
        self._access.check_may_block("start_many", "start_many_async")
        sent = self._ask_all(runs, definition, self._access.calling(by, why, correlation_id))
        for _, future in sent:
            self._access.wait_for_answer(future)
        return [RunHandle(self._access, run_id) for run_id, _ in sent]

    async def start_many_async(
        self,
        runs: Sequence[tuple[str | None, Any]],
        definition: Definition,
        *,
        by: str | None = None,
        why: str | None = None,
        correlation_id: str | None = None,
    ) -> list[RunHandle]:
        """Do what :meth:`start_many` does without blocking the event loop."""
        sent = self._ask_all(runs, definition, self._access.calling(by, why, correlation_id))
        for _, future in sent:
            await self._access.await_answer(future)
        return [RunHandle(self._access, run_id) for run_id, _ in sent]

    def execute_workflow(
        self,
        definition: Definition,
        *,
        run_id: str | None = None,
        input: Any = None,  # noqa: A002 - as above
        timeout: float | None = None,
        by: str | None = None,
        why: str | None = None,
        correlation_id: str | None = None,
    ) -> Outcome:
        """Start a run and wait for its end: :meth:`start`, then :meth:`RunHandle.result`.

        ``timeout``, in seconds, covers both together; ``None`` sets no limit.

        Raises:
            The errors of these two methods; AskTimeoutError if the run was not accepted in time.
        """
        self._access.check_may_block("execute_workflow", "execute_workflow_async")
        context = self._access.calling(by, why, correlation_id)
        left = self._time_left(timeout)
        return self._start(definition, run_id, input, context, left()).result(left())

    async def execute_workflow_async(
        self,
        definition: Definition,
        *,
        run_id: str | None = None,
        input: Any = None,  # noqa: A002 - as above
        timeout: float | None = None,  # noqa: ASYNC109 - as result()
        by: str | None = None,
        why: str | None = None,
        correlation_id: str | None = None,
    ) -> Outcome:
        """Do what :meth:`execute_workflow` does without blocking the event loop."""
        context = self._access.calling(by, why, correlation_id)
        left = self._time_left(timeout)
        run = await self._start_async(definition, run_id, input, context, left())
        return await run.result_async(left())

    def _start(
        self,
        definition: Definition,
        run_id: str | None,
        given: Any,
        context: Context | None,
        timeout: float | None = None,
    ) -> RunHandle:
        message = self._start_message(self._access.compile(definition), run_id, given)
        stream = f"run-{message.run_id}"
        self._access.ask(stream, message, presume_new=True, timeout=timeout, context=context)
        return RunHandle(self._access, message.run_id)

    async def _start_async(
        self,
        definition: Definition,
        run_id: str | None,
        given: Any,
        context: Context | None,
        timeout: float | None = None,  # noqa: ASYNC109 - as above
    ) -> RunHandle:
        message = self._start_message(self._access.compile(definition), run_id, given)
        stream = f"run-{message.run_id}"
        await self._access.ask_async(
            stream, message, presume_new=True, timeout=timeout, context=context
        )
        return RunHandle(self._access, message.run_id)

    def _time_left(self, timeout: float | None) -> Callable[[], float | None]:
        """Return a function that returns the seconds left of ``timeout``, counted from now."""
        timeout = check_timeout(timeout)
        if timeout is None:
            return lambda: None
        monotonic = self._access.clock.monotonic
        end = monotonic() + timeout * 1e9
        return lambda: max(0.0, (end - monotonic()) / 1e9)

    def _ask_all(
        self,
        runs: Sequence[tuple[str | None, Any]],
        definition: Definition,
        context: Context | None,
    ) -> list[tuple[str, PooledFuture[Any]]]:
        plan = self._access.compile(definition)
        messages = [self._start_message(plan, run_id, given) for run_id, given in runs]
        ask = self._access.send
        return [
            (
                message.run_id,
                ask(f"run-{message.run_id}", message, presume_new=True, context=context),
            )
            for message in messages
        ]

    def _start_message(self, plan: Plan, run_id: str | None, given: Any) -> AcceptRun:
        access = self._access
        if run_id is None:
            run_id = access.new_run_id()
        check_id("run id", run_id)
        encoded = encode_input(plan, given)
        now = access.clock.now()
        hold = access.executor.held(f"run-{run_id}")
        return AcceptRun(run_id, self.name, plan.encoded, encoded, now=now, hold=hold)
