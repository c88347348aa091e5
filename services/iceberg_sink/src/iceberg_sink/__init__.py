"""Writes the medallion tables to Iceberg, offsets and rows in one commit."""
