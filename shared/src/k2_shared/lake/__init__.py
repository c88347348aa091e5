"""Iceberg: the catalog, the tables and their object store."""
