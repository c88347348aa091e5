"""The lake's daily maintenance."""
