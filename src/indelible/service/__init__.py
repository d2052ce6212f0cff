"""How a process is and who serves a store: health, a survey from outside, a watch."""
