"""Warnings: the call works, but there is a better way."""

from __future__ import annotations


class BlockingCallWarning(RuntimeWarning):
    """A blocking method was called on a thread that runs an event loop, and blocked the loop.

    Each calling line is warned once; the text names the method to await instead.  On the
    system's own event loop the call is a :class:`BlockingCallError`.
    """
