-- The gap ledger: what became of every range of missing ids. Kept longer than the longest candle.
CREATE TABLE IF NOT EXISTS gaps
(
    exchange LowCardinality(String) COMMENT 'the venue, one of schemas/venues',
    symbol LowCardinality(String) COMMENT 'canonical BASE/QUOTE',
    state Enum8('opened' = 1, 'filled' = 2, 'unfillable' = 3),
    first_id Int64 COMMENT 'of the range, included',
    last_id Int64 COMMENT 'of the range, included',
    cause LowCardinality(String),
    opened_at DateTime64(6, 'UTC'),
    at DateTime64(6, 'UTC') COMMENT 'when this was written',
    kafka_topic LowCardinality(String),
    kafka_partition Int32,
    kafka_offset Int64
)
ENGINE = ReplacingMergeTree
ORDER BY (exchange, symbol, first_id, last_id, kafka_topic, kafka_partition, kafka_offset)
TTL toDateTime(at) + INTERVAL 400 DAY
COMMENT 'Gaps: every range of missing ids and what became of it, 400 days';
