"""``k2 trades``: a symbol's trades from the warm tier."""
