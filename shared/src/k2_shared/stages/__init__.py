"""Agents from topic to topic, exactly once."""
