"""Reading a SQLite file, and what a damaged row still says."""
