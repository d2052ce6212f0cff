"""The threads of a system played by one, in an order drawn from a seed."""
