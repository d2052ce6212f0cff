"""From a decision to what follows its commit: checked, appended, answered, its promises kept."""
