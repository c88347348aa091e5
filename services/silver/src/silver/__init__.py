"""Validates V3 trades exactly once; what fails goes whole to the dead-letter queue."""
