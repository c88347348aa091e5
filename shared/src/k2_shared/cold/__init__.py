"""The cold tier: what of the warm one outlives it, in Iceberg."""
