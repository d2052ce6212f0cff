"""Commands between processes: who sends them, who takes them, what they say."""
