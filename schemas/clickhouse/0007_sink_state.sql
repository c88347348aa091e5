-- Which topics fill these tables: one that was made anew, or has other partitions, is another topic.
CREATE TABLE IF NOT EXISTS sink_state
(
    table_name LowCardinality(String),
    kafka_topic String,
    cluster_id String,
    topic_id String,
    partitions Int32,
    began_at DateTime64(6, 'UTC')
)
ENGINE = ReplacingMergeTree
ORDER BY (table_name, kafka_topic)
COMMENT 'The Kafka topics that the tables are filled from';
