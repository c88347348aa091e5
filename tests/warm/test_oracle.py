"""The oracle's decoder is another than the sink's, and they agree."""

import pytest
from tests.warm.oracle import by_fastavro

from k2_shared.core.errors import InvalidRecord
from k2_shared.core.trade import contract_under, decode
from k2_support.records import SCHEMA_ID, trade, value


@pytest.mark.parametrize("vendor_data", [None, {}, {"a": "ü"}])
def test_it_reads_what_the_project_reads(vendor_data: dict[str, str] | None) -> None:
    """Every field of a trade, exactly."""
    written = value(trade(vendor_data=vendor_data), SCHEMA_ID)
    assert decode(written, by_fastavro(SCHEMA_ID)) == decode(written, contract_under(SCHEMA_ID))


@pytest.mark.parametrize("broken", [lambda v: v[:-3], lambda v: v + b"\x00", lambda v: v[:1] + b"\xff" * 4 + v[5:]])
def test_it_refuses_what_is_no_trade(broken: object) -> None:
    """Cut off, with bytes behind it, of a schema that is not known."""
    with pytest.raises(InvalidRecord):
        decode(broken(value(trade(), SCHEMA_ID)), by_fastavro(SCHEMA_ID))  # type: ignore[operator]
