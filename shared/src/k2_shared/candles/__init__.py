"""Candles that equal a recomputation from the trades to the last digit: folded from gold, without I/O."""
