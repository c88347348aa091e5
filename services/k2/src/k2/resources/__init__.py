"""What every component takes of CPUs and memory, beside what it is meant to take."""
