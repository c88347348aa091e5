"""Filling gaps by REST."""
