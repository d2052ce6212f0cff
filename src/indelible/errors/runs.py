"""Errors of systems, runs, steps and views."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from indelible.errors.base import IndelibleError


class SystemClosedError(IndelibleError):
    """The system is not open."""

    def __init__(self, wanted: str, why: str = "the system is not open") -> None:
        """``wanted`` names the method that was called."""
        super().__init__(
            f"{wanted} needs an open system, but {why}; use `with system:` or system.open()",
            wanted=wanted,
            why=why,
        )


_FIX = "make a new ActorSystem after the fork, and open that one here"
_SQLITE_FIX = (
    "SQLite's own locks do not survive a fork, so fork before anything is opened, or start this "
    'process afresh (the start methods "spawn" and "forkserver", or subprocess)'
)


class ForkedError(SystemClosedError):
    """A forked child used a system or store that its parent had opened; nothing has happened."""

    url: str
    parent: int

    def __init__(self, wanted: str, url: str, parent: int) -> None:
        """``wanted`` names the method that was called; process ``parent`` had opened ``url``."""
        why = "this process was forked from it"
        fix = _SQLITE_FIX if url.startswith(("sqlite", "memory")) else _FIX
        IndelibleError.__init__(
            self,
            f"{wanted} cannot be used here: process {parent} opened {url}, and {why}; {fix}",
            wanted=wanted,
            why=why,
            url=url,
            parent=parent,
        )


class UnknownRunError(IndelibleError):
    """No run with this id is in the store."""

    run_id: str

    def __init__(self, run_id: str, where: str) -> None:
        """``where`` is the store's address."""
        super().__init__(
            f"no run {run_id!r} in {where}; `indelible runs` lists the ids", run_id=run_id
        )


class RunExistsError(IndelibleError):
    """The run id is taken by a run with other contents; nothing was started."""

    run_id: str
    differs: tuple[str, ...]

    def __init__(self, run_id: str, differs: Sequence[str]) -> None:
        """``differs`` names the parts that differ: agent, definition, input."""
        super().__init__(
            f"run {run_id!r} exists with another {' and '.join(differs)}; "
            "choose another run_id, or start it with the same contents to get that run",
            run_id=run_id,
            differs=tuple(differs),
        )


class ResultTimeoutError(IndelibleError):
    """The run has not ended in time; it continues as soon as a process serves its store."""

    run_id: str
    waiting_for: tuple[str, ...]
    unserved: str

    def __init__(
        self, run_id: str, timeout: float, waiting_for: Sequence[str] = (), unserved: str = ""
    ) -> None:
        """``waiting_for`` lists what the run waits for.

        ``unserved`` says, as text, that no process executes it; empty if one does.
        """
        why = f"; it waits for {', '.join(waiting_for)}" if waiting_for else ""
        super().__init__(
            f"run {run_id!r} has not ended within {timeout:g} s{why}; "
            f"{unserved or 'it continues'}: call result() again",
            run_id=run_id,
            timeout=timeout,
            waiting_for=tuple(waiting_for),
            unserved=unserved,
        )


class StepTimeoutError(IndelibleError):
    """A step did not return within its time-out."""

    def __init__(self, step: str, timeout: float) -> None:
        """``timeout`` in seconds."""
        super().__init__(
            f"step {step!r} did not return within {timeout:g} s", step=step, timeout=timeout
        )


class CallTimeoutError(IndelibleError):
    """A function that an actor called did not return within the call's time-out."""

    def __init__(self, function: str, timeout: float) -> None:
        """``timeout`` in seconds."""
        super().__init__(
            f"{function!r} did not return within {timeout:g} s", function=function, timeout=timeout
        )


class StepFailedError(IndelibleError):
    """A step returned ``{"success": false}``."""

    def __init__(self, step: str, why: str) -> None:
        """``why`` is the reason that the step gave."""
        super().__init__(f"step {step!r} reported failure: {why}", step=step, why=why)


class StepDataError(IndelibleError):
    """A step's data does not fit its definition."""

    def __init__(self, step: str, found: str, fix: str) -> None:
        """``found`` says what is wrong with the data, ``fix`` what to change."""
        super().__init__(f"step {step!r}: {found}; {fix}", step=step, found=found, fix=fix)


class FailedReferenceError(IndelibleError):
    """A step refers to the result of a step that has none."""

    def __init__(self, step: str, ref: str, target: str, why: str) -> None:
        """``why`` says how the step ``target``, which ``ref`` refers to, ended."""
        super().__init__(
            f"step {step!r} refers to {ref}, but {target!r} {why}; to get such a failure as data "
            f'write {{"ref": "{ref}", "failed": "pass"}}, or look at the context in the step',
            step=step,
            ref=ref,
            target=target,
            why=why,
        )


class UnknownConnectionError(IndelibleError):
    """A step names a connection that the system does not have."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        """``known`` are the declared names."""
        super().__init__(
            f"no connection {name!r}; declared: {', '.join(sorted(known)) or 'none'}; "
            "pass connections={...} to ActorSystem",
            name=name,
            known=tuple(known),
        )


class UnknownProjectionError(IndelibleError):
    """No projection has this name."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        """``known`` are the existing names."""
        close = get_close_matches(str(name), known, 1)
        meant = f"did you mean {close[0]!r}? " if close else ""
        super().__init__(
            f"no projection {name!r}; {meant}there are {', '.join(sorted(known))}",
            name=name,
            known=tuple(known),
        )


class MissingExtraError(IndelibleError):
    """An optional dependency is not installed."""

    def __init__(self, extra: str, wanted: str) -> None:
        """``wanted`` is the feature that needs it."""
        super().__init__(
            f"{wanted} needs an extra: pip install 'indelible[{extra}]'", extra=extra, wanted=wanted
        )
