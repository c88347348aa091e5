"""The k2 command line: stack, topics, tables, demo."""
