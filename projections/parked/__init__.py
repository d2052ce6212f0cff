"""Events that a view could not apply, and people's decisions about them."""
