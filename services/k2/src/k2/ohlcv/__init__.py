"""``k2 ohlcv``: a symbol's candles from the warm tier."""
