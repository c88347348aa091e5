"""``k2 feed``: what the feeds are told about symbols, and what they answer."""
