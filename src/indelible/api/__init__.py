"""The public objects: the system, the handles of runs, agents and actors, and their methods."""
