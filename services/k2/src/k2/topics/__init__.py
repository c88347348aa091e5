"""``k2 topics`` and ``k2 lag``: what stands in Kafka, and how far its readers are behind."""
