"""Run the service: ``python -m gold``."""

from gold.main import main

main()
