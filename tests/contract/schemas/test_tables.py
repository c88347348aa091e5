"""How long tables of the lake keep their rows, by their contracts."""

from k2_shared.core import contracts


def test_rows_are_kept_for_as_long_as_is_said() -> None:
    """Days after which the maintenance deletes them; gold's are for ever."""
    assert {name: table.retention_days for name, table in contracts.tables().items()} == {
        "bronze_crypto_trades": 7,
        "silver_binance_trades": 30,
        "silver_kraken_trades": 30,
        "silver_dlq_trades": 90,
        "gold_crypto_trades": None,
    }
