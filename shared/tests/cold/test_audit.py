"""The audit's rows, kept once, on the real tiers."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from k2_shared.cold.audit import AuditTable, audited, row
from k2_shared.cold.offload import ColdOffload
from k2_shared.cold.tables import cold_tables, opened
from k2_shared.core.lake_settings import ColdSettings
from k2_shared.kafka.topics import Names
from k2_shared.lake import iceberg
from k2_shared.lake.retries import at_table
from k2_support.cold_tiers import AUDIT, ROWS, ColdTiers, audit_rows, audited_tiers
from k2_support.lake import before_commit

NOW = datetime.now(UTC)


@pytest.fixture
def tiers(names: Names) -> Iterator[ColdTiers]:
    """Nothing is offloaded yet."""
    with audited_tiers(names) as made:
        yield made


@pytest.fixture
def found(tiers: ColdTiers) -> list[dict[str, Any]]:
    """The rows of an audit: silver is offloaded, nothing else is."""
    settings = ColdSettings.load(k2_prefix=tiers.names.prefix)
    with opened(ColdOffload, settings, cold_tables(), lambda _: at_table(5)) as offloads:
        silver = offloads["silver_trades"]
        for chunk in silver.chunks(NOW):
            for hour in silver.compared(NOW, chunk.first, chunk.last):
                silver.write(hour, NOW)
        return [row(each, NOW) for each in audited(offloads, NOW)]


def audit_table(tiers: ColdTiers) -> AuditTable:
    return AuditTable(tiers.catalog.load_table(iceberg.identifier(tiers.names, AUDIT)), at_table(5))


def test_each_layer_is_a_row(tiers: ColdTiers, found: list[dict[str, Any]]) -> None:
    """What is equal, and what differs, with both tiers' totals."""
    audit_table(tiers).keep(found)
    rows = {each["layer"]: each for each in audit_rows(tiers)}
    assert rows.keys() == cold_tables().keys()
    silver, raw = rows["silver_trades"], rows["raw_trades"]
    assert (silver["warm_rows"], silver["cold_rows"], silver["is_equal"]) == (ROWS, ROWS, True)
    assert (silver["hours"], silver["hours_differing"], silver["first_differences"]) == (1, 0, "[]")
    assert (raw["warm_rows"], raw["cold_rows"], raw["is_equal"], raw["hours_differing"]) == (ROWS, 0, False, 1)
    (difference,) = json.loads(raw["first_differences"])
    assert difference["cold"] == "nothing"
    assert raw["audited_at"] == NOW


def test_an_audit_whose_reply_was_lost_is_kept_once(tiers: ColdTiers, found: list[dict[str, Any]]) -> None:
    """The next attempt finds it in the table."""
    table = audit_table(tiers)

    def lost(real: Any) -> Any:
        real()
        raise ConnectionError("the reply was lost")

    before_commit(table, lost)
    table.keep(found)
    assert len(audit_rows(tiers)) == len(found)
