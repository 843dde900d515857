"""Models made to be misled: organisms in which a trait can be told from the task."""
