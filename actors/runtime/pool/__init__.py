"""Thread pools for actors and blocking steps: their size, order of tasks, deadlock detection."""
