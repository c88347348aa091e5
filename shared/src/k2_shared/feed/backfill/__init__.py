"""What is asked of a venue by REST: gaps, and symbols that are silent."""
