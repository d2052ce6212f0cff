"""What a user holds: the system, handles of runs, agents and actors, and their methods."""
