"""Step types: the built-in types, and functions that users register."""
