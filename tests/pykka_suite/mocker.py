"""As much of pytest-mock's ``mocker`` as pykka's tests use, on the standard library."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any
from unittest import mock


class Patcher:
    """Replaces attributes until the test ends."""

    def __init__(self) -> None:
        self._undo = ExitStack()

    def object(self, target: Any, name: str, **options: Any) -> Any:
        """As ``unittest.mock.patch.object``, from now to the end of the test."""
        return self._undo.enter_context(mock.patch.object(target, name, **options))

    def stop(self) -> None:
        """Put everything back."""
        self._undo.close()


class Mocker:
    """The ``mocker`` fixture."""

    Mock = mock.Mock
    MagicMock = mock.MagicMock
    NonCallableMock = mock.NonCallableMock

    def __init__(self) -> None:
        self.patch = Patcher()
