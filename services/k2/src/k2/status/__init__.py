"""``k2 status``: servers, agents, lag, gaps, dead letters and tables at one moment, and one verdict of it all."""
