"""What a run has come to: its state, folded from events, and how it is stored and described."""
