"""``k2 gaps``: the ledger of missing trade ids, open ones first."""
