"""``k2 demo``: real recorded trades through every agent, reconciled by an independent count."""
