"""Iceberg: the catalog, its object store, and tables with their commit protocol and the state of a sink in them."""
