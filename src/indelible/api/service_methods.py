"""Methods for a long-running service: the system's health, and draining before it closes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from indelible.api.facade import Facade
from indelible.arguments.ids_and_timeouts import check_seconds
from indelible.assembly.async_calls import in_thread
from indelible.assembly.lifecycle import drain

if TYPE_CHECKING:
    from indelible.api.system_health import SystemHealth


class ServiceMethods(Facade):
    """Health and draining of an open system; any thread may call the methods."""

    def health(self) -> SystemHealth:
        """Whether the system is ready, and its current figures, for the endpoint of a probe.

        :class:`indelible.service.health_report.Health` explains the keys.  A system that does not
        own its store is ready if ready processes own it.  The call takes 3 seconds at most, also
        when the database does not answer.

        Raises:
            BlockingCallError: Called on the system's event loop.
            StoreUnavailableError: The system does not own the store, and cannot read it.
        """
        from indelible.service.health import READ_TIMEOUT, failed_consumers, take_health
        from indelible.service.survey import HEALTHY, take_survey

        self._access.check_may_block("health", "health_async")
        parts = self._access.parts
        with parts.store.within(READ_TIMEOUT):  # one limit for all reads together
            health = take_health(parts)
            survey = None if self.owns else take_survey(parts)
        if survey is not None:
            ready = survey.verdict == HEALTHY
            health = replace(
                health,
                state="served" if ready else "unserved",
                ready=ready,
                why=(*(() if ready else survey.why), *failed_consumers(parts)),
            )
        mapping: SystemHealth = msgspec.to_builtins(health)
        return mapping

    async def health_async(self) -> SystemHealth:
        """Do what :meth:`health` does without blocking the event loop."""
        return await self._access.parts.async_calls.call(self.health)

    def drain(self, timeout: float) -> list[str]:
        """Accept no command and start no step or call from now on; wait for running ones.

        For a service that is about to end: the system stays open so that its health can be read;
        close it afterwards.

        Returns:
            Names of the steps (``RUN/PATH``) and calls (``STREAM/KEY``) that have not returned
            after ``timeout`` seconds; their contexts now say that they are cancelled.

        Raises:
            BlockingCallError: Called on the system's event loop.
        """
        self._access.check_may_block("drain", "drain_async")
        timeout = check_seconds(timeout)
        return drain(self._access.parts, timeout)

    async def drain_async(self, timeout: float) -> list[str]:  # noqa: ASYNC109 - as drain()
        """Do what :meth:`drain` does without blocking the event loop."""
        self._access.check_process("drain_async()")
        return await in_thread(self.drain, timeout)
