"""``k2 gaps``: missing trade ids and what became of them, open gaps first."""
