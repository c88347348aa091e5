"""``k2 tail``: the records of topics, decoded."""
