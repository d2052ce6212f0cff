"""Tables computed from the log for queries: the port of a view, built-in views, your own views."""
