"""The base of all errors: a message for people, parts as attributes; both can be pickled."""

from __future__ import annotations

from typing import Any


class IndelibleError(Exception):
    """Base of all errors raised on purpose by this library.

    A subclass passes its message and its parts here; both survive pickling.
    """

    def __init__(self, message: str, **parts: Any) -> None:
        """Keep ``parts`` as attributes, so that programs need not parse ``message``."""
        super().__init__(message)
        self.__dict__.update(parts)

    def __reduce__(self) -> tuple[Any, ...]:
        """Rebuild from the message and the parts, independent of a subclass's signature."""
        return rebuild, (type(self), str(self), self.__dict__)


def rebuild(cls: type[IndelibleError], message: str, parts: dict[str, Any]) -> IndelibleError:
    """An error made from its message and its parts alone."""
    error = cls.__new__(cls, message)
    IndelibleError.__init__(error, message, **parts)
    return error
