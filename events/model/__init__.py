"""What an event is: its stream, its context, the types there are, and the chain that seals it."""
