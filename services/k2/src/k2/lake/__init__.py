"""``k2 lake``: the Iceberg tables as a whole."""
