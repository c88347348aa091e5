"""Run the service: ``python -m silver``."""

from silver.main import main

main()
