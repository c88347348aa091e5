"""``k2 feed``: symbol commands to the running feeds, and their answers."""
