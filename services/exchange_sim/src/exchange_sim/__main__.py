"""``python -m exchange_sim``."""

from exchange_sim.main import main

main()
