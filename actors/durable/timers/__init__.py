"""What is due later: timers of actors in memory, and the wake-up of streams that sleep."""
