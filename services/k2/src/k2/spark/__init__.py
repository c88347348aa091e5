"""``k2 spark``: a Spark cluster on this machine."""
