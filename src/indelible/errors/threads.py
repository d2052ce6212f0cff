"""Errors of the host: resources that it does not give."""

from __future__ import annotations

from indelible.errors.base import IndelibleError


class ThreadUnavailableError(IndelibleError, RuntimeError):
    """The host gives this process no more threads; the operation was not started."""

    def __init__(self, thread: str, reason: str) -> None:
        """``thread`` is the name of the refused thread, ``reason`` the host's error text."""
        super().__init__(
            f"the thread {thread} could not be started ({reason}): the process, its user or its "
            "container has as many as it may; raise the limit (pids of the container, "
            "RLIMIT_NPROC), or end other processes, and try again",
            thread=thread,
            reason=reason,
        )
