"""Commands between processes: what is said, who sends it, who takes it (DESIGN §4)."""
