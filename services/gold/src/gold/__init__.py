"""Unites both exchanges and drops every duplicate, exactly once."""
