"""The warm tier's migrations from the command line."""
