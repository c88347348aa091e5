"""``k2 schema``: what a change of the contracts makes to change, and making it so."""
