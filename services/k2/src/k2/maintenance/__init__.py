"""The lake's maintenance from the command line."""
