-- Candles that were made again from trades: a sink that runs reads its candles anew after each.
CREATE TABLE IF NOT EXISTS candle_rebuilds
(
    rebuilt_at DateTime64(6, 'UTC') DEFAULT now64(6, 'UTC'),
    exchange LowCardinality(String) COMMENT 'the venue, one of schemas/venues',
    symbol LowCardinality(String) COMMENT 'canonical BASE/QUOTE',
    day Date COMMENT 'that of the windows',
    candles UInt64 COMMENT 'how many were wrong, in all timeframes'
)
ENGINE = MergeTree
ORDER BY rebuilt_at
TTL toDateTime(rebuilt_at) + INTERVAL 365 DAY
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, old_parts_lifetime = 480
COMMENT 'Repairs of candles by k2 candles rebuild: 365 days';
