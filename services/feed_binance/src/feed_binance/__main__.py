"""Run the service: ``python -m feed_binance``."""

from feed_binance.main import main

main()
