"""Leases on shards: acquired, renewed, shared fairly between processes, and ended in time."""
