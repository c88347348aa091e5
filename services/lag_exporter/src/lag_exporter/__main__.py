"""Run the service: ``python -m lag_exporter``."""

from lag_exporter.main import main

main()
