-- Every refused record whole, with who refused it and why; each attempt of a letter is a row.
CREATE TABLE IF NOT EXISTS dead_letters
(
    reason LowCardinality(String) COMMENT 'a bounded set of codes',
    detail String COMMENT 'for people',
    stage LowCardinality(String),
    service LowCardinality(String),
    version LowCardinality(String) COMMENT 'of the service',
    attempt UInt32 COMMENT 'the number of this refusal',
    refused_at DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    source_topic LowCardinality(String) COMMENT 'where the record was read, or was on its way to',
    source_partition Nullable(Int32) COMMENT 'null of a frame that was on its way',
    source_offset Nullable(Int64),
    schema_id Nullable(UInt32) COMMENT 'that the value claims; null where it is in no wire format',
    message_key String COMMENT 'the key of the record, bytes that are no UTF-8 escaped',
    value Nullable(String) COMMENT 'as it was' CODEC(ZSTD(3)),
    headers Array(Tuple(name String, value Nullable(String))) COMMENT 'all of the letter, in their order' CODEC(ZSTD(3)),
    ingestion_timestamp DateTime64(6, 'UTC') COMMENT 'when the frame was received' CODEC(Delta, ZSTD(1)),
    kafka_timestamp DateTime64(3, 'UTC') COMMENT 'the time of the record' CODEC(Delta, ZSTD(1)),
    kafka_topic LowCardinality(String),
    kafka_partition Int32,
    kafka_offset Int64 CODEC(Delta, ZSTD(1))
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(refused_at)
ORDER BY (kafka_topic, kafka_partition, kafka_offset)
TTL toDateTime(refused_at) + INTERVAL 90 DAY
COMMENT 'Dead letters: every refusal, 90 days from it';
