-- The ids of each symbol that are known to be missing now: of the gap ledger and of dead letters, less what gold has.
-- A row is replaced whole by what was found out later, by the server's clock.
CREATE TABLE IF NOT EXISTS missing_ids
(
    exchange LowCardinality(String) COMMENT 'the venue, one of schemas/venues',
    symbol LowCardinality(String) COMMENT 'canonical BASE/QUOTE',
    first_ids Array(Int64) COMMENT 'of ranges, included, in their order; they neither overlap nor touch',
    last_ids Array(Int64) COMMENT 'of the same ranges, included',
    asked_at DateTime64(6, 'UTC') COMMENT 'when ledger, letters and gold were asked'
)
ENGINE = ReplacingMergeTree(asked_at)
ORDER BY (exchange, symbol)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, old_parts_lifetime = 480
COMMENT 'Missing: the trade ids that gold lacks, a row for each symbol';
ALTER TABLE dead_letters
    ADD COLUMN IF NOT EXISTS source_sequence Nullable(Int64)
    COMMENT 'the trade id in the value, as a number; null where that is no trade' AFTER message_key;
-- Ids rise with time: a few of a symbol are found without reading all.
ALTER TABLE gold_trades ADD INDEX IF NOT EXISTS trade_ids source_sequence TYPE minmax;
ALTER TABLE gold_trades MATERIALIZE INDEX trade_ids;
