"""What a run of the maintenance does, and in which order."""

import pytest

from k2_shared.batch.steps import ONCE, Step, Told, Unit, planned, tables
from k2_shared.core import contracts
from k2_shared.core.errors import ConfigError


def test_a_run_goes_through_every_step_at_every_table() -> None:
    """Compaction before manifests before expiry, the audit once, and retention last, where a table has one."""
    units = planned([], [])
    assert list(dict.fromkeys(unit.step for unit in units)) == list(Step)
    assert [unit.table for unit in units if unit.step is Step.COMPACT] == list(tables())
    assert [unit.table for unit in units if unit.step is Step.AUDIT] == [ONCE]
    kept = {name for name, each in contracts.tables().items() if each.retention_days}
    assert {unit.table.partition(".")[2] for unit in units if unit.step is Step.RETENTION} == kept


def test_tables_are_those_of_all_three_namespaces() -> None:
    """By their namespaces, since two of them may have one name."""
    assert {name.partition(".")[0] for name in tables()} == {"market_data", "cold", "audit"}


def test_some_steps_and_tables_are_named() -> None:
    """In the order of a run, whatever that of the names."""
    found = planned(["expire", "compact"], ["gold_crypto_trades", "cold.raw_trades"])
    assert found == [
        Unit(Step.COMPACT, "market_data.gold_crypto_trades"),
        Unit(Step.COMPACT, "cold.raw_trades"),
        Unit(Step.EXPIRE, "market_data.gold_crypto_trades"),
        Unit(Step.EXPIRE, "cold.raw_trades"),
    ]
    assert str(found[0]) == "compact of market_data.gold_crypto_trades"


@pytest.mark.parametrize(
    ("steps", "names", "said"),
    [
        (["vacuum"], [], "there is no step 'vacuum': the steps are compact, manifests, expire, audit, orphans, ret"),
        ([], ["gold"], "there is no table 'gold': the tables are market_data.bronze_crypto_trades, "),
    ],
)
def test_what_does_not_exist_is_refused(steps: list[str], names: list[str], said: str) -> None:
    """And what exists is listed."""
    with pytest.raises(ConfigError, match=said):
        planned(steps, names)


def test_a_line_about_a_unit_says_how_it_ended() -> None:
    """Others are about none."""
    line = {"event": "unit", "step": "expire", "table": "cold.raw_trades", "seconds": 1.5, "facts": {"expired": 3}}
    told = Told.of({**line, "reason": ""})
    assert told == Told(Unit(Step.EXPIRE, "cold.raw_trades"), 1.5, {"expired": 3})
    assert told.to_json() == {"step": "expire", "table": "cold.raw_trades", "seconds": 1.5, "expired": 3}
    failed = Told.of({**line, "reason": "the catalog is away"})
    assert failed
    assert failed.to_json()["failed"] == "the catalog is away"
    assert Told.of({"event": "done", "left": []}) is None
