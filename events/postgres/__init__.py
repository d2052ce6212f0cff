"""The event store on PostgreSQL: one log, many writers, leases by the database's clock."""
