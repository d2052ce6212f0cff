"""Watching while a command waits: progress, stop signals, the owner process, blocked runs."""
