-- Every trade once.
CREATE TABLE IF NOT EXISTS gold_trades
(
    message_id String COMMENT 'EXCHANGE:SYMBOL:TRADE_ID, the only identity of a trade',
    exchange LowCardinality(String) COMMENT 'the venue, one of schemas/venues',
    symbol LowCardinality(String) COMMENT 'canonical BASE/QUOTE',
    trade_id String COMMENT 'the trade id of the venue, decimal digits',
    price Decimal(18, 8) COMMENT 'in the quote currency, exact',
    quantity Decimal(18, 8) COMMENT 'in the base currency, exact',
    quote_volume Decimal(38, 16) COMMENT 'price * quantity, exact',
    timestamp DateTime64(6, 'UTC') COMMENT 'the time of the exchange' CODEC(Delta, ZSTD(1)),
    currency LowCardinality(String) COMMENT 'the quote currency',
    side Enum8('BUY' = 1, 'SELL' = 2) COMMENT 'of the taker',
    source_sequence Nullable(Int64) COMMENT 'the trade id as a number' CODEC(Delta, ZSTD(1)),
    ingestion_timestamp DateTime64(6, 'UTC') COMMENT 'when the frame was received' CODEC(Delta, ZSTD(1)),
    validated_at DateTime64(3, 'UTC') COMMENT 'when silver wrote it, by the broker' CODEC(Delta, ZSTD(1)),
    vendor_data Map(LowCardinality(String), String) COMMENT 'what the venue says beyond this; nothing and null are one',
    kafka_topic LowCardinality(String),
    kafka_partition Int32,
    kafka_offset Int64 CODEC(Delta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(kafka_offset)
PARTITION BY toYYYYMMDD(timestamp)
ORDER BY (exchange, symbol, timestamp, source_sequence, trade_id)
TTL toDateTime(ingestion_timestamp) + INTERVAL 30 DAY
SETTINGS allow_nullable_key = 1
COMMENT 'Gold: every trade once, 30 days';
