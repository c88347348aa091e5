"""What all of k2_shared needs: contracts, records, trades and how they are encoded, errors, settings, metrics, logs."""
