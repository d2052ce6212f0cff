"""The commands, one module each: their options, and their calls of tasks and renderers."""
