"""Appends on their way into the log: planned by shard, committed in groups, told to who waits."""
