"""What handles are made of: the parts of an open system, and how to ask its actors."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

import pykka

from indelible.actors.decider import fold
from indelible.actors.durable.directory import Directory
from indelible.actors.runtime.future import PooledFuture
from indelible.actors.workflow.executor import Executor
from indelible.errors import AskTimeoutError, StoreReadOnlyError, SystemClosedError
from indelible.events.store import EventStore
from indelible.parts import Parts
from indelible.reader import RunReader

ASK_TIMEOUT = 30.0
"""Seconds that a command may wait for its commit: far above any healthy disk, and not for ever."""


class SystemAccess:
    """Access to the parts of a system while it is open; any thread may use it.

    Attributes:
        url: Address of the store.
    """

    url: str
    _mode: Literal["own", "read"]
    _parts: Parts | None

    @property
    def owns(self) -> bool:
        """Whether this system writes the store, rather than only reading it."""
        return self._mode == "own"

    @property
    def parts(self) -> Parts:
        """The parts of the open system.

        Raises:
            SystemClosedError: It is not open.
        """
        if self._parts is None:
            raise SystemClosedError("this")
        return self._parts

    @property
    def store(self) -> EventStore:
        """The log."""
        return self.parts.store

    @property
    def directory(self) -> Directory:
        """The actors in memory.

        Raises:
            StoreReadOnlyError: The system only reads.
        """
        if not self.owns:
            raise StoreReadOnlyError(self.url, 'the system was opened with mode="read"')
        return self.parts.directory

    @property
    def executor(self) -> Executor:
        """What executes steps."""
        return self.parts.executor

    @property
    def reader(self) -> RunReader:
        """Runs as the log has them."""
        return self.parts.reader

    def fold(self, stream: str, until: int | None) -> Any:
        """The state of a stream of your own as of version ``until``."""
        parts = self.parts
        decider = parts.deciders[stream.partition("-")[0]]
        events = (parts.types.decode(event) for event in parts.store.read(stream, until=until))
        return fold(decider, decider.initial_state(), events)

    def check_may_block(self, method: str, twin: str) -> None:
        """Refuse a blocking call on the system's own event loop."""
        self.parts.runtime.check_may_block(method, twin)

    def wait(self, future: PooledFuture[Any], timeout: float | None) -> Any:
        """Result of ``future``; ``TimeoutError`` after ``timeout`` seconds."""
        try:
            return self.parts.runtime.wait(future, timeout)
        except pykka.Timeout:
            raise TimeoutError from None

    def ask(
        self, stream: str, message: Any, *, timeout: float | None = None, presume_new: bool = False
    ) -> Any:
        """Ask the actor of ``stream`` and wait for its durable answer."""
        future = self.directory.ask(stream, message, presume_new=presume_new)
        return self.wait_for_answer(future, stream, timeout)

    def wait_for_answer(
        self, future: PooledFuture[Any], stream: str = "the actor", timeout: float | None = None
    ) -> Any:
        """The answer, or AskTimeoutError; an error that was answered is raised."""
        timeout = ASK_TIMEOUT if timeout is None else timeout
        try:
            return self.wait(future, timeout)
        except TimeoutError:
            raise AskTimeoutError(stream, timeout) from None

    async def ask_async(
        self,
        stream: str,
        message: Any,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - as ask()
        presume_new: bool = False,
    ) -> Any:
        """Do what :meth:`ask` does without blocking the event loop."""
        future = self.directory.ask(stream, message, presume_new=presume_new)
        return await self.await_answer(future, stream, timeout)

    async def await_answer(
        self,
        future: PooledFuture[Any],
        stream: str = "the actor",
        timeout: float | None = None,  # noqa: ASYNC109 - as above
    ) -> Any:
        """Do what :meth:`wait_for_answer` does without blocking the event loop."""
        timeout = ASK_TIMEOUT if timeout is None else timeout
        try:
            async with asyncio.timeout(timeout):
                return await future
        except TimeoutError:
            raise AskTimeoutError(stream, timeout) from None
