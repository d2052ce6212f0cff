"""Options with a meaning of their own, from text to values."""
