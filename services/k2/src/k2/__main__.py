"""Run the command line: ``python -m k2``."""

from k2.main import main

main()
