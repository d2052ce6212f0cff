"""Questions to the views: now, as of a moment, and how far behind they are."""
