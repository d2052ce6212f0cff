"""Group commit: queued appends are planned by shard, committed in groups and completed."""
