"""A feed as a process."""
