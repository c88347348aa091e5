"""Run the service: ``python -m iceberg_sink``."""

from iceberg_sink.main import main

main()
