"""What a step can be: built-in types, and functions that a user registers."""
