"""The event store on SQLite, through SQLAlchemy."""
