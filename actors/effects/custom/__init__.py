"""Effects of users' own types, performed by their handlers."""
