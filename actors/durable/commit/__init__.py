"""From a decision to its commit and after it: checks, appends in flight, replies, promises."""
