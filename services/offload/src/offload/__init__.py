"""Puts the hours of the warm tier into the cold one, every hour, and compares both."""
