"""One attempt at a function: queued, held, run, timed out, and what is kept of its failure."""
