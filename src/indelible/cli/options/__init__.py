"""Options of the commands, and parsing of their texts to values."""
