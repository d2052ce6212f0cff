"""A handle to one run: its result, its status, its events; the handle holds no state of the run."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pykka

from indelible.actors.runtime.future import PooledFuture
from indelible.actors.runtime.pool.wait_graph import RunEnd
from indelible.actors.workflow.execute.step_awaits_run import awaiting
from indelible.actors.workflow.run_messages import Describe, Resolution, Resolve
from indelible.actors.workflow.state.run_state import RunState
from indelible.arguments.ids_and_timeouts import check_id, check_timeout
from indelible.assembly.system_access import SystemAccess
from indelible.errors import (
    AskTimeoutError,
    IndelibleError,
    ResultTimeoutError,
    ShardNotOwnedError,
    StoreError,
    UnknownRunError,
)
from indelible.events.codec.conversions import encode_given
from indelible.events.model.event import RecordedEvent
from indelible.events.read.as_of import AsOf
from indelible.remote.remote_future import STATUS_GRACE
from indelible.runs.local_run_end import on_end
from indelible.runs.outcome import Outcome, outcome_of

if TYPE_CHECKING:
    from indelible.actors.workflow.state.status_types import RunStatus

_DESCRIBE_TIMEOUT = 5.0
"""Seconds to wait for the status from the process that executes the run."""


class RunHandle:
    """One execution of a workflow; any thread may use it, and any number of handles may exist.

    Attributes:
        run_id: Id of the run, unique in its store.
    """

    def __init__(self, access: SystemAccess, run_id: str) -> None:
        """Refer to an existing run."""
        self.run_id = run_id
        self._access = access
        self._stream = f"run-{run_id}"

    def __repr__(self) -> str:
        """Name the run."""
        return f"<RunHandle {self.run_id!r}>"

    # -- result

    def result(self, timeout: float | None = None) -> Outcome:
        """Wait for the end of the run and return its outcome, also if the run failed.

        Args:
            timeout: Seconds; ``None`` sets no limit.

        Raises:
            RefusedError: ``timeout`` is not a number, or below 0.
            DeadlockError: Called without ``timeout`` in a step, and this run waits for that step's
                run.
            ResultTimeoutError: The run has not ended; it continues, and the error says what the run
                waits for.
            SystemClosedError: The system closes; the run continues at the next open.
            BlockingCallError: Called on the system's event loop.
        """
        self._access.check_may_block("result", "result_async")
        timeout = check_timeout(timeout)
        if not self._is_local():
            return self._outcome(self._wait_remotely(timeout))
        recent = self._access.executor.endings.recent(self._stream)
        if recent is not None:
            return self._outcome(recent)
        began = self._access.clock.monotonic()
        ending, forget = self._ending()
        try:
            return self._outcome(self._access.wait(ending, timeout))
        except TimeoutError:
            raise self._timed_out(timeout, self._waiting_for()) from None
        except ShardNotOwnedError:  # another process executes the run from now on
            return self._outcome(self._wait_remotely(self._time_left(timeout, began)))
        finally:
            forget()

    async def result_async(self, timeout: float | None = None) -> Outcome:  # noqa: ASYNC109 - as result()
        """Do what :meth:`result` does without blocking the event loop."""
        timeout = check_timeout(timeout)
        if not self._is_local():
            return self._outcome(await self._wait_remotely_async(timeout))
        began = self._access.clock.monotonic()
        ending, forget = self._ending()
        try:
            return self._outcome(await self._await_locally(ending, timeout))
        except TimeoutError:
            waiting = await self._access.parts.async_calls.call(self._waiting_for)
            raise self._timed_out(timeout, waiting) from None
        except ShardNotOwnedError:  # as above
            left = self._time_left(timeout, began)
            return self._outcome(await self._wait_remotely_async(left))
        finally:
            forget()

    async def _await_locally(
        self,
        ending: PooledFuture[RunState],
        timeout: float | None,  # noqa: ASYNC109 - as result()
    ) -> RunState:
        if timeout is not None:
            return await asyncio.wait_for(_awaited(ending), timeout)
        with awaiting(self._access.executor, self._stream):
            return await ending

    def _wait_remotely(self, timeout: float | None) -> RunState:
        """Wait until another process ends the run; the thread of a waiting step is replaced."""
        ends = self._access.parts.remote_run_ends
        end = ends.wait(self.run_id)
        end.asked_actor = self._stream
        try:
            state: RunState = end.get(timeout=timeout)
        except pykka.Timeout:
            raise self._remote_timeout(timeout or 0.0) from None
        finally:
            ends.forget(self.run_id, end)
        return state

    async def _wait_remotely_async(self, timeout: float | None) -> RunState:  # noqa: ASYNC109 - as result()
        parts = self._access.parts
        end = parts.remote_run_ends.wait(self.run_id)
        try:
            state: RunState = await asyncio.wait_for(_awaited(end), timeout)
        except TimeoutError:
            late = await parts.async_calls.call(self._remote_timeout, timeout or 0.0)
            raise late from None
        finally:
            parts.remote_run_ends.forget(self.run_id, end)
        return state

    def _remote_timeout(self, timeout: float) -> ResultTimeoutError:
        """The error for a run that another process has not ended in time."""
        parts = self._access.parts
        waiting = parts.reader.waiting_for(self.run_id)
        unserved = ""
        if not self._access.owns:
            with suppress(StoreError), parts.store.within(STATUS_GRACE):
                unserved = parts.service.absence()
        return ResultTimeoutError(self.run_id, timeout, waiting, unserved)

    def _is_local(self) -> bool:
        """Whether this process executes the run."""
        return self._access.owns and self._access.directory.owns(self._stream)

    def _time_left(self, timeout: float | None, began: int) -> float | None:
        if timeout is None:
            return None
        return max(0.0, timeout - (self._access.clock.monotonic() - began) / 1e9)

    def _ending(self) -> tuple[PooledFuture[RunState], Any]:
        """A future of the run's last state, and a function that gives it up."""
        executor, directory = self._access.executor, self._access.directory
        ending: PooledFuture[RunState] = PooledFuture()
        ending.asked_actor = RunEnd(id(executor), self._stream)  # names deadlocks

        def ended(end: RunState | BaseException) -> None:
            if ending.done():
                return
            if isinstance(end, BaseException):
                ending.set_exception((type(end), end, end.__traceback__))
            else:
                ending.set(end)

        return ending, on_end(executor, directory, self._stream, ended)

    def _outcome(self, state: RunState) -> Outcome:
        return outcome_of(state, self._access.store.blob)

    def _waiting_for(self) -> Sequence[str]:
        try:
            return self._local_status(STATUS_GRACE)["waiting_for"]
        except IndelibleError:
            return ()

    def _timed_out(self, timeout: float | None, waiting: Sequence[str]) -> ResultTimeoutError:
        return ResultTimeoutError(self.run_id, timeout or 0.0, waiting)

    # -- status and events

    def status(self, *, as_of: AsOf | None = None) -> RunStatus:
        """The run's status: its steps, times, attempts, errors, and what it waits for.

        Args:
            as_of: A version of its stream, a position or cursor, or a time; ``None`` is now.

        Raises:
            AsOfError: There is no such moment, or the run did not exist then.
        """
        self._access.check_may_block("status", "status_async")
        if as_of is not None or not self._is_local():
            status = self._stored_status(as_of)
            return status if as_of is not None else self._remote_status(status)
        return self._local_status()

    def _stored_status(self, as_of: AsOf | None) -> RunStatus:
        """The status computed from the log."""
        reader = self._access.reader
        return reader.describe(self.run_id, reader.version(self.run_id, as_of))

    def _local_status(self, timeout: float | None = None) -> RunStatus:
        answer: RunStatus | None = self._access.ask(self._stream, Describe(), timeout=timeout)
        return self._with_unregistered(answer)

    def _with_unregistered(self, answer: RunStatus | None) -> RunStatus:
        """The actor's answer, with unregistered step types added to ``waiting_for``."""
        if answer is None:
            raise UnknownRunError(self.run_id, self._access.store.url)
        answer["waiting_for"] += self._access.executor.unregistered.reasons(self._stream)
        return answer

    async def status_async(self, *, as_of: AsOf | None = None) -> RunStatus:
        """Do what :meth:`status` does without blocking the event loop."""
        if as_of is None and self._is_local():
            answer = await self._access.ask_async(self._stream, Describe())
            return self._with_unregistered(answer)
        call = self._access.parts.async_calls.call
        status = await call(self._stored_status, as_of)
        if as_of is not None or not await call(self._can_be_asked, status):
            return status
        try:
            answer = await self._access.ask_async(
                self._stream, Describe(), timeout=_DESCRIBE_TIMEOUT
            )
        except AskTimeoutError:
            return status
        return answer or status

    def _remote_status(self, status: RunStatus) -> RunStatus:
        """The status from the process that executes the run; ``status`` if none answers."""
        access = self._access
        if not self._can_be_asked(status):
            return status
        try:
            answer: RunStatus | None = access.ask(
                self._stream, Describe(), timeout=_DESCRIBE_TIMEOUT
            )
        except AskTimeoutError:
            return status
        return answer or status

    def _can_be_asked(self, status: RunStatus) -> bool:
        """Whether the process that executes the run may know more than the log."""
        access = self._access
        return status["outcome"] is None and access.can_ask and bool(access.store.owners())

    def events(self, *, as_of: AsOf | None = None) -> Sequence[RecordedEvent]:
        """Every event of the run now, or ``as_of`` a moment, in order."""
        self._access.check_may_block("events", "events_async")
        return self._access.read_stream(self._stream, as_of)

    async def events_async(self, *, as_of: AsOf | None = None) -> Sequence[RecordedEvent]:
        """Do what :meth:`events` does without blocking the event loop."""
        return await self._access.parts.async_calls.call(self.events, as_of=as_of)

    # -- commands

    def resolve_step(
        self,
        step: str,
        action: Resolution,
        *,
        by: str,
        result: Any = None,
        why: str | None = None,
        correlation_id: str | None = None,
    ) -> None:
        """Resolve a step whose attempt was interrupted by a crash and whose policy is ``ask``.

        Args:
            step: Name of the waiting step.
            action: ``retry`` runs it again, ``fail`` fails it, ``complete`` completes it with
                ``result``.
            by: The person or program that decides; recorded in the event of this decision.
            result: For ``complete``: the step's result.
            why: The reason; recorded likewise.
            correlation_id: The request to which the decision belongs; recorded likewise; that of
                the run by default.

        Raises:
            RefusedError: The run does not wait for that step, or ``why`` or an id is not valid
                text; nothing has changed.
            ValueNotStorableError: ``result`` cannot be stored; nothing has changed.
        """
        self._access.check_may_block("resolve_step", "resolve_step_async")
        context = self._access.calling(by, why, correlation_id)
        message = self._resolve_message(step, action, by, result)
        self._access.ask(self._stream, message, context=context)

    async def resolve_step_async(
        self,
        step: str,
        action: Resolution,
        *,
        by: str,
        result: Any = None,
        why: str | None = None,
        correlation_id: str | None = None,
    ) -> None:
        """Do what :meth:`resolve_step` does without blocking the event loop."""
        context = self._access.calling(by, why, correlation_id)
        message = self._resolve_message(step, action, by, result)
        await self._access.ask_async(self._stream, message, context=context)

    def _resolve_message(self, step: str, action: Resolution, by: str, result: Any) -> Resolve:
        check_id("step", step)
        check_id("by", by)
        now, hold = self._access.clock.now(), self._access.executor.held(self._stream)
        return Resolve(step, action, by, encode_given(result), now=now, hold=hold)


async def _awaited(future: PooledFuture[Any]) -> Any:
    return await future
