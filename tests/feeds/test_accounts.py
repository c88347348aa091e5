"""The accounts of trade ids, on records made by hand."""

import json
from collections.abc import Sequence

import pytest
from tests.feeds.accounts import Passage, accounts, through_gold
from tests.feeds.venue_accounts import Account, VenueAccounts, numberings, quarantined, unaccounted

from k2_shared.core.errors import InvalidRecord
from k2_shared.core.origin import HEADER, Origin, Source
from k2_shared.core.records import Outgoing
from k2_shared.core.settings import RunSettings
from k2_shared.core.trade import Trade, wire_prefix
from k2_shared.feed.coverage import feed_records
from k2_shared.feed.coverage.feed_records import Cause, GapRecord, GapState
from k2_shared.feed.coverage.intervals import Interval, IntervalSet
from k2_shared.feed.publish.frames import FrameWriter
from k2_shared.kafka.dlq import Refuser
from k2_shared.kafka.topics import BRONZE, Names, partition_for
from k2_support.records import RECEIVED_NS, SCHEMA_ID, FakeRecord, records, trade, value
from k2_support.topics import write

SYMBOL = "BTC/USDT"
REST = ((HEADER, Origin(RECEIVED_NS, 5, 1, Source.REST).pack()),)


def venue_accounts() -> VenueAccounts:
    return VenueAccounts("KRAKEN", SCHEMA_ID)


def numbered(*ids: int) -> list[Trade]:
    return [trade(trade_id=number) for number in ids]


def told(state: GapState, first: int, last: int) -> FakeRecord:
    record = GapRecord(
        exchange="KRAKEN", symbol=SYMBOL, state=state, first_id=first, last_id=last, cause=Cause.RESTART,
        opened_at=1, at=2,
    )  # fmt: skip
    written = feed_records.gaps.outgoing(record)
    return FakeRecord(written.key, written.value)


def letter(
    reason: str, detail: str, *, stage: str = "feed", frame: bytes = b"{}", key: bytes | None = None
) -> FakeRecord:
    refuser = Refuser("feed" if stage == "feed" else "silver", stage)
    frame_record = Outgoing("raw", key or trade().key, frame, 0, ())
    refused = refuser.refuse_frame(frame_record, InvalidRecord(reason, detail))
    return FakeRecord(refused.key, refused.value, headers=refused.headers)


def account(
    published: Sequence[Interval] = (), quarantined: Sequence[Interval] = (), unfillable: Sequence[Interval] = ()
) -> Account:
    return Account(IntervalSet(published), IntervalSet(quarantined), IntervalSet(unfillable))


def test_published_ids_are_ranges_whatever_their_order() -> None:
    """Ids that touch are one range, in whichever order they stand in bronze."""
    kept = venue_accounts()
    kept.trades(records(numbered(7, 5, 6, 9)))
    assert list(kept.accounts[SYMBOL].published) == [(5, 7), (9, 9)]


def test_a_repeated_id_is_counted() -> None:
    """Records beyond the first of an id are repeats, also over several batches."""
    kept = venue_accounts()
    kept.trades(records(numbered(5, 6, 6)))
    kept.trades(records(numbered(5)))
    found = kept.accounts[SYMBOL]
    assert (found.records, found.repeated) == (4, 2)


def test_what_came_by_rest_is_told_apart() -> None:
    """The origin header says by which way a record came."""
    kept = venue_accounts()
    kept.trades([FakeRecord(trade().key, value(trade(trade_id=5)), headers=REST), *records(numbered(6))])
    assert (kept.accounts[SYMBOL].records, kept.accounts[SYMBOL].rest_records) == (2, 1)


def test_a_trade_that_columns_cannot_tell_is_counted() -> None:
    """A trade whose texts are not ASCII is decoded alone."""
    kept = venue_accounts()
    odd = FakeRecord(trade().key, value(trade(trade_id=5, vendor_data={"ord_type": "límite"})), headers=REST)
    kept.trades([odd])
    assert list(kept.accounts[SYMBOL].published) == [(5, 5)]
    assert kept.accounts[SYMBOL].rest_records == 1


def test_a_trade_without_an_id_is_not_published() -> None:
    """An id of zero or less identifies nothing."""
    kept = venue_accounts()
    kept.trades(records(numbered(0, -3)))
    assert not kept.accounts or not len(kept.accounts[SYMBOL].published)


def test_records_of_another_venue_are_left() -> None:
    """The accounts are of one venue, though gold, letters and ledger are of all."""
    kept = venue_accounts()
    kept.trades(records([trade(exchange="BINANCE", trade_id=5)]))
    kept.letters([letter("decimal_overflow", "BINANCE:BTC/USDT:5: price", key=b"BINANCE:BTC/USDT")])
    assert not kept.accounts


def test_a_letter_about_a_trade_quarantines_it() -> None:
    """The letter's detail begins with the trade's message id, and its key may be another symbol's."""
    kept = venue_accounts()
    kept.letters([letter("decimal_overflow", "KRAKEN:ETH/USD:5: quantity 46000000000.12 does not fit decimal(18,8)")])
    assert list(kept.accounts["ETH/USD"].quarantined) == [(5, 5)]


def test_the_feed_writes_letters_that_the_accounts_can_read() -> None:
    """What the feed's own writer makes of an overflow is a quarantined trade."""
    writer, origin = FrameWriter("KRAKEN", "feed_kraken", wire_prefix(SCHEMA_ID)), Origin(RECEIVED_NS, 1, 1)
    huge = trade(trade_id=5, quantity=trade().quantity + 10**11)
    with pytest.raises(InvalidRecord) as refused:
        writer.encoder(SYMBOL)(huge, 1)
    made = writer.letter(writer.raw(b"{}", huge.key, origin), refused.value)
    kept = venue_accounts()
    kept.letters([FakeRecord(made.key, made.value, headers=made.headers)])
    assert list(kept.accounts[SYMBOL].quarantined) == [(5, 5)]


def test_a_letter_about_a_reset_quarantines_every_trade_of_its_frame() -> None:
    """A frame that does not continue the ids is a dead letter whole."""
    rows = [{"symbol": SYMBOL, "trade_id": number} for number in (1, 2, 3)] + [{"symbol": "ETH/USD", "trade_id": 9}]
    said = dict(letter("id_reset", f"KRAKEN:{SYMBOL}:1 does not continue the ids of {SYMBOL}").headers)
    found = set(quarantined(said, SYMBOL, json.dumps({"data": rows}).encode()))
    assert found == {(SYMBOL, 1), (SYMBOL, 2), (SYMBOL, 3)}


def test_a_frame_that_cannot_be_read_quarantines_no_id() -> None:
    """Nobody knows which trades it was about."""
    kept = venue_accounts()
    kept.letters([letter("unreadable_frame", "Input data was truncated", key=b"KRAKEN")])
    kept.letters([letter("unreadable_frame", "Input data was truncated")])
    assert not kept.accounts


def test_letters_of_other_stages_account_for_nothing() -> None:
    """What silver refuses is published already."""
    kept = venue_accounts()
    kept.letters([letter("price_not_positive", "KRAKEN:BTC/USDT:5: broken is", stage="silver")])
    assert not kept.accounts


def test_the_ledger_opens_and_closes() -> None:
    """What is open was opened, less what was filled or unfillable since."""
    kept = venue_accounts()
    kept.gaps([told(GapState.OPENED, 1, 10), told(GapState.FILLED, 2, 4), told(GapState.UNFILLABLE, 7, 7)])
    found = kept.accounts[SYMBOL]
    assert list(found.open) == [(1, 1), (5, 6), (8, 10)]
    assert list(found.unfillable) == [(7, 7)]


def test_every_id_is_accounted_for_by_one_of_three() -> None:
    """Published, quarantined or unfillable; an open gap accounts for nothing."""
    kept = {SYMBOL: account(published=[(5, 6), (9, 10)], quarantined=[(7, 7)], unfillable=[(8, 8)])}
    assert unaccounted({SYMBOL: [(5, 10)]}, kept) == {}
    kept[SYMBOL].unfillable, kept[SYMBOL].open = IntervalSet(), IntervalSet([(8, 8)])
    assert unaccounted({SYMBOL: [(5, 10)]}, kept) == {SYMBOL: [(8, 8)]}


def test_ids_count_from_the_feeds_first_on() -> None:
    """What the venue assigned before is not the feed's; what it assigned after the last id is."""
    kept = {SYMBOL: account(published=[(5, 6)])}
    assert unaccounted({SYMBOL: [(1, 8)]}, kept) == {SYMBOL: [(7, 8)]}


def test_ids_that_the_venue_left_out_are_not_missing() -> None:
    """Only what was assigned is asked for."""
    kept = {SYMBOL: account(published=[(5, 6), (9, 9)])}
    assert unaccounted({SYMBOL: [(1, 6), (9, 9)]}, kept) == {}


def test_a_symbol_without_an_account_is_missing_whole() -> None:
    """Nothing at all is no answer."""
    assert unaccounted({SYMBOL: [(1, 8)]}, {}) == {SYMBOL: [(1, 8)]}


def test_after_a_reset_ids_count_from_the_first_of_the_new_numbering() -> None:
    """Of each numbering what follows the first id that is accounted for."""
    kept = {SYMBOL: account(published=[(900, 910), (4, 6)], quarantined=[(3, 3)])}
    assert unaccounted({SYMBOL: [(890, 910), (1, 6)]}, kept) == {}
    assert unaccounted({SYMBOL: [(890, 911), (1, 7)]}, kept) == {SYMBOL: [(911, 911), (7, 7)]}


def test_a_numbering_begins_where_ids_go_down() -> None:
    """A hole begins a new range, a reset a new numbering."""
    assert numberings([(5, 6), (8, 9), (1, 3)]) == [[(5, 6), (8, 9)], [(1, 3)]]
    assert numberings([]) == []


def test_gold_would_publish_each_valid_trade_once() -> None:
    """The real domain code of silver and gold stands behind it, over several batches."""
    partition = partition_for(trade().key, 12)
    passage = Passage("KRAKEN", SCHEMA_ID, partition, 12)
    assert passage.take(records(numbered(5, 6, 5))) == [f"KRAKEN:{SYMBOL}:5", f"KRAKEN:{SYMBOL}:6"]
    assert passage.take(records([*numbered(6, 7), trade(trade_id=8, price=-trade().price)])) == [f"KRAKEN:{SYMBOL}:7"]


async def test_the_accounts_stand_in_kafka(run_settings: RunSettings, names: Names, topics: dict[str, int]) -> None:
    """Bronze, letters and ledger are read to their ends."""
    bronze = BRONZE.format(exchange="kraken")
    schema = topics[names.subject(names.topic(bronze))]
    made = [Outgoing(bronze, each.key, value(each, schema), 0, REST) for each in numbered(5, 6, 6)]
    refused = letter("decimal_overflow", f"KRAKEN:{SYMBOL}:7: price")
    gap = told(GapState.UNFILLABLE, 8, 8)
    await write(run_settings, names, made, partition_for(trade().key, names.contract(names.topic(bronze)).partitions))
    await write(
        run_settings, names, [Outgoing("market.crypto.trades.dlq", refused.key, refused.value, 0, refused.headers)]
    )
    await write(run_settings, names, [Outgoing("market.crypto.feed.gaps", gap.key, gap.value, 0, ())])
    found = await accounts(run_settings, names, "KRAKEN")
    assert unaccounted({SYMBOL: [(1, 8)]}, found) == {}
    assert (found[SYMBOL].repeated, found[SYMBOL].rest_records) == (1, 3)
    assert await through_gold(run_settings, names, "KRAKEN") == [f"KRAKEN:{SYMBOL}:5", f"KRAKEN:{SYMBOL}:6"]
