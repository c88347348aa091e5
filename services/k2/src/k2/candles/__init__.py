"""``k2 candles``: the candles made again."""
