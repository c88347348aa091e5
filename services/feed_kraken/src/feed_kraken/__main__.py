"""Run the service: ``python -m feed_kraken``."""

from feed_kraken.main import main

main()
