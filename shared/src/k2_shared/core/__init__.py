"""What every room needs: contracts, records, trades and how they are encoded, errors, settings, telemetry."""
