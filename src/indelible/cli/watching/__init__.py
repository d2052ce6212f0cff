"""What a command learns while it waits: progress, stops, who executes, what is blocked."""
