"""The one form of a canonical symbol: every pair of a venue has it, and nothing that would be taken for two things."""

import json
import re
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k2_shared.core import contracts, symbol
from k2_shared.core.symbol import MAX_BYTES, MAX_CHARACTERS, checked, near, unfit
from k2_shared.core.trade import record_key

LISTED = ["BTC/USD", "币安人生/USDT", "AAPLx/USD", "ETH2.S/ETH", "1INCH/USDC", "1000SATS/FDUSD", "a-b_c/d", "C++/€"]
SCHEMAS = ["symbol_v1.json", "event_v1.json", "gap_v1.json"]


@pytest.mark.parametrize("listed", [*LISTED, "B/" + "Q" * (MAX_CHARACTERS - 2)])
def test_what_a_venue_lists_is_a_symbol(listed: str) -> None:
    """In any script, in upper and lower case, with digits and dots."""
    assert unfit(listed) == ""
    assert checked(listed) == listed


@pytest.mark.parametrize(
    ("given_text", "why"),
    [
        ("B/" + "Q" * (MAX_CHARACTERS - 1), f"more than {MAX_CHARACTERS} characters"),
        *((text, "BASE/QUOTE") for text in ["", "/", "BTCUSD", "BTC/", "/USD", "BTC/USD/T", "BTC//USD", "btc-usdt"]),
        *((text, "BASE/QUOTE") for text in ["BTC/USD\n", " BTC/USD", "B TC/USD", "BTC/USD,ETH/USD", "KRAKEN:BTC/USD"]),
        *((text, "BASE/QUOTE") for text in ["B\0/USD", "BTC/U\u200bSD", "B\u202eTC/USD", "B\ud800/USD", "\ufffd/USD"]),
    ],
)
def test_what_could_be_taken_for_two_things_is_none(given_text: str, why: str) -> None:
    """The reason quotes it, bounded and printable, on one line."""
    said = unfit(given_text)
    assert why in said
    assert said.isprintable()
    with pytest.raises(ValueError, match=re.escape(said)):
        checked(given_text)


def test_no_white_space_control_or_half_character_is_in_a_symbol() -> None:
    """Of all that Unicode has."""
    never = {"Cc", "Cs", "Zs", "Zl", "Zp"}
    every = map(chr, range(sys.maxunicode + 1))
    odd = [char for char in every if char.isspace() or unicodedata.category(char) in never]
    assert len(odd) > 2_000
    assert [char for char in odd if not unfit(f"B{char}/USD")] == []


@given(st.text(max_size=MAX_CHARACTERS + 2))
def test_a_symbol_survives_a_key_a_message_id_and_a_list(text: str) -> None:
    """What is one can be told from the exchange, the trade id and its neighbours again."""
    if unfit(text):
        return
    assert len(text.encode()) <= MAX_BYTES
    assert record_key("KRAKEN", text).decode().split(":") == ["KRAKEN", text]
    assert f"A/B,{text}".split(",") == ["A/B", text.strip()]
    assert text.count("/") == 1


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_schemas_say_the_same(name: str) -> None:
    """One form for the contracts and the code; an event of the whole venue has no symbol."""
    said = json.loads((contracts.ROOT / name).read_text(encoding="utf-8"))["properties"]["symbol"]
    wanted = f"^({symbol.PATTERN[1:-1]})?$" if name == "event_v1.json" else symbol.PATTERN
    assert (said["pattern"], said["maxLength"]) == (wanted, MAX_CHARACTERS)


def test_what_is_near_may_have_been_meant() -> None:
    """What is written alike, the nearest first, then the rest of the base asset, whatever the case; ten at most."""
    known = ["ETH/USD", "BTC/EUR", "BTC/USD", "BTC/USDT"]
    assert near("btc/usdd", known) == ["BTC/USD", "BTC/USDT", "BTC/EUR"]
    assert near("XBT/USDT", known) == ["BTC/USDT", "BTC/USD"]
    assert near("NONE/GBP", known) == []
    assert len(near("A/B", [f"A/Q{number}" for number in range(20)])) == 10
