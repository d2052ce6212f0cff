"""Threads, mailboxes, futures and timers for actors; an actor handles one message at a time."""
