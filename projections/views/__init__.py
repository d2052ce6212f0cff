"""What is kept of the log for questions: the port of a view, the built-in ones, your own."""
