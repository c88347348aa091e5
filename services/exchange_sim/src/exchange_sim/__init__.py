"""Speaks the Kraken and Binance protocols from recordings, with faults on demand."""
