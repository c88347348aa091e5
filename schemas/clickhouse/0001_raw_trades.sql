-- A frame a row, byte for byte as a venue sent it.
CREATE TABLE IF NOT EXISTS raw_trades
(
    exchange LowCardinality(String) COMMENT 'the venue, one of schemas/venues',
    symbol LowCardinality(String) COMMENT 'canonical BASE/QUOTE; empty where the frame names none',
    frame String COMMENT 'as received' CODEC(ZSTD(3)),
    ingestion_timestamp DateTime64(6, 'UTC') COMMENT 'when the frame was received' CODEC(Delta, ZSTD(1)),
    kafka_timestamp DateTime64(3, 'UTC') COMMENT 'the time of the record' CODEC(Delta, ZSTD(1)),
    kafka_topic LowCardinality(String),
    kafka_partition Int32,
    kafka_offset Int64 CODEC(Delta, ZSTD(1))
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMMDD(ingestion_timestamp)
ORDER BY (kafka_topic, kafka_partition, kafka_offset)
TTL toDateTime(ingestion_timestamp) + INTERVAL 48 HOUR
COMMENT 'Raw: each frame as received, 48 hours';
