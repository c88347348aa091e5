"""``k2 probe-broker``: whether a broker keeps the promises on which exactly-once rests."""
