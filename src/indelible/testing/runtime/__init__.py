"""A system's runtime on one thread: the order of tasks is drawn from a seed."""
