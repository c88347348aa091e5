-- Every delivery of a trade, repeats and what cannot be decoded among them: of those the trade's columns are null.
CREATE TABLE IF NOT EXISTS bronze_trades
(
    exchange LowCardinality(String) COMMENT 'the venue whose topic this is',
    symbol LowCardinality(String) COMMENT 'canonical BASE/QUOTE, from the key',
    message_key String COMMENT 'the key of the record, bytes that are no UTF-8 escaped',
    avro_payload String COMMENT 'the value of the record, in the wire format of the registry' CODEC(ZSTD(3)),
    trade_id Nullable(String),
    timestamp Nullable(DateTime64(6, 'UTC')) COMMENT 'the time of the exchange' CODEC(Delta, ZSTD(1)),
    price Nullable(Decimal(18, 8)) COMMENT 'in the quote currency, exact',
    quantity Nullable(Decimal(18, 8)) COMMENT 'in the base currency, exact',
    side Nullable(Enum8('BUY' = 1, 'SELL' = 2)) COMMENT 'of the taker',
    source_sequence Nullable(Int64) COMMENT 'the trade id as a number' CODEC(Delta, ZSTD(1)),
    ingestion_timestamp DateTime64(6, 'UTC') COMMENT 'when the frame was received' CODEC(Delta, ZSTD(1)),
    kafka_timestamp DateTime64(3, 'UTC') COMMENT 'the time of the record' CODEC(Delta, ZSTD(1)),
    kafka_topic LowCardinality(String),
    kafka_partition Int32,
    kafka_offset Int64 CODEC(Delta, ZSTD(1))
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMMDD(ingestion_timestamp)
ORDER BY (kafka_topic, kafka_partition, kafka_offset)
TTL toDateTime(ingestion_timestamp) + INTERVAL 7 DAY
COMMENT 'Bronze: every delivery, 7 days';
