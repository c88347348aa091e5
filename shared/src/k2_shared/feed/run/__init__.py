"""The feed as a process: its runs, its symbols, and what looks after them."""
