"""The audit as the driver works it off, on the real tiers."""

from deploy.spark.tests.maintained import driven

from k2_shared.cold.tables import cold_tables
from k2_shared.kafka.topics import Names
from k2_support.cold_tiers import audit_rows, audited_tiers


def test_it_keeps_a_row_of_each_layer_and_a_dry_run_none(names: Names) -> None:
    """Both say the same of the tiers."""
    with audited_tiers(names) as tiers:
        (looked,) = driven(names.prefix, "--step=audit", "--dry-run")
        assert audit_rows(tiers) == []
        (kept,) = driven(names.prefix, "--step=audit")
        assert [each["layer"] for each in audit_rows(tiers)] == list(cold_tables())
    assert looked.facts == kept.facts
    assert not kept.facts["equal"]
