"""What every process tells, read as Prometheus reads it."""

from prometheus_client import generate_latest

from k2_shared.core.metrics import Metrics


def test_no_series_says_when_a_counter_was_made() -> None:
    """Each would double a counter and a histogram, and nothing asks for it."""
    metrics = Metrics("silver", "1")
    metrics.received.labels("a").inc()
    metrics.duration.labels("silver").observe(0.1)
    page = generate_latest(metrics.registry).decode()
    assert 'k2_records_received_total{topic="a"} 1.0' in page
    assert 'k2_processing_duration_seconds_count{stage="silver"} 1.0' in page
    assert "_created" not in page
