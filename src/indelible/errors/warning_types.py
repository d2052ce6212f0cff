"""What is warned of: it works, and there is a better way."""

from __future__ import annotations


class BlockingCallWarning(RuntimeWarning):
    """A blocking method was called on a thread that runs an event loop, which stood still.

    It is given once for each place that calls; the text names the method to await instead.  On the
    system's own event loop the call is a :class:`BlockingCallError`.
    """
