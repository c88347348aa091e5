"""For tests and the k2 tool alone: child processes, ports, the broker's probe, test data."""
