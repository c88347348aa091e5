"""Spark on the lake."""
