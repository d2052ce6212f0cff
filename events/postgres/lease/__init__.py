"""Leases on shards: who holds which, renewed, shared fairly, and over in time."""
