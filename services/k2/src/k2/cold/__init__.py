"""The cold tier: its hours offloaded from the warm tier, and held equal to it."""
