"""Timers of actors in memory, and the wake-up of streams that sleep."""
