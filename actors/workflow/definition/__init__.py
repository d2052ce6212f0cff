"""What a workflow is: plain data, checked whole, compiled once into an immutable plan."""
