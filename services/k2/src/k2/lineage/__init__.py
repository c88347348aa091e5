"""``k2 lineage``: one trade from its frame to its row."""
