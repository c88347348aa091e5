-- Candles of gold in six timeframes; of the rows of a window the one with the highest last_offset knows every trade.
CREATE TABLE IF NOT EXISTS candles
(
    timeframe Enum8('1m' = 0, '5m' = 1, '15m' = 2, '30m' = 3, '1h' = 4, '1d' = 5),
    exchange LowCardinality(String) COMMENT 'the venue, one of schemas/venues',
    symbol LowCardinality(String) COMMENT 'canonical BASE/QUOTE',
    window_start DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    open Decimal(18, 8) COMMENT 'the price of the first trade, by time and id',
    high Decimal(18, 8),
    low Decimal(18, 8),
    close Decimal(18, 8) COMMENT 'the price of the last trade, by time and id',
    volume Decimal(38, 8) COMMENT 'the sum of quantities, exact',
    quote_volume Decimal(76, 16) COMMENT 'the sum of price * quantity, exact',
    trade_count UInt64,
    open_ts DateTime64(6, 'UTC') COMMENT 'the time of the first trade' CODEC(Delta, ZSTD(1)),
    open_id Int64 COMMENT 'its trade id',
    close_ts DateTime64(6, 'UTC') COMMENT 'the time of the last trade' CODEC(Delta, ZSTD(1)),
    close_id Int64 COMMENT 'its trade id',
    lowest_id Int64 COMMENT 'of all of its trades' CODEC(Delta, ZSTD(1)),
    highest_id Int64 COMMENT 'of all of its trades' CODEC(Delta, ZSTD(1)),
    kafka_partition Int32 COMMENT 'of gold, which has all trades of the symbol',
    last_offset Int64 COMMENT 'it has every trade of its window up to here' CODEC(Delta, ZSTD(1)),
    written_at DateTime64(3, 'UTC') COMMENT 'when the row was' CODEC(Delta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(last_offset)
ORDER BY (timeframe, exchange, symbol, window_start)
TTL toDateTime(written_at) + INTERVAL 30 DAY DELETE WHERE timeframe IN ('1m', '5m', '15m', '30m'),
    toDateTime(written_at) + INTERVAL 90 DAY DELETE WHERE timeframe = '1h',
    toDateTime(written_at) + INTERVAL 365 DAY DELETE WHERE timeframe = '1d'
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, old_parts_lifetime = 480
COMMENT 'Candles: 30 days (1m to 30m), 90 days (1h), 365 days (1d) from the last trade that came for them';
