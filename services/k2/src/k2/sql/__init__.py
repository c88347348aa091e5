"""``k2 sql``: read-only queries of the warm tier."""
