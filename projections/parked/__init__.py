"""Events that a view could not apply, and what people decide about them."""
