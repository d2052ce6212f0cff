"""Health of a process, a survey of all processes of a store, and a watch for its owner."""
