"""Whether a store still holds what was written: the log, and all that answers questions for it."""
