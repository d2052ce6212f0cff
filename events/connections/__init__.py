"""Database connections of every kind: opening, forks, the pool's log, the database's clock."""
