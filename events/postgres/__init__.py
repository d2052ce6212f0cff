"""The event store on PostgreSQL: one log, many writing processes, leases by the server's clock."""
