-- Both tiers by cold table. Each offload makes these anew with what is in cold; until the first there is the warm tier alone.

CREATE VIEW IF NOT EXISTS all_raw_trades AS
SELECT
    exchange, symbol, frame, ingestion_timestamp, kafka_timestamp, kafka_topic, kafka_partition, CAST(kafka_offset,
    'Nullable(Int64)') AS kafka_offset
FROM raw_trades FINAL;

CREATE VIEW IF NOT EXISTS all_bronze_trades AS
SELECT
    exchange, symbol, message_key, avro_payload, trade_id, timestamp, price, quantity, CAST(side,
    'Nullable(String)') AS side, CAST(source_sequence, 'Nullable(Int64)') AS source_sequence, ingestion_timestamp,
    kafka_timestamp, kafka_topic, kafka_partition, CAST(kafka_offset, 'Nullable(Int64)') AS kafka_offset
FROM bronze_trades FINAL;

CREATE VIEW IF NOT EXISTS all_silver_trades AS
SELECT
    exchange, symbol, trade_id, price, quantity, quote_volume, timestamp, currency, CAST(side, 'Nullable(String)')
    AS side, CAST(source_sequence, 'Nullable(Int64)') AS source_sequence, ingestion_timestamp, validated_at,
    CAST(vendor_data, 'Map(String, Nullable(String))') AS vendor_data, kafka_topic, kafka_partition,
    CAST(kafka_offset, 'Nullable(Int64)') AS kafka_offset
FROM silver_trades FINAL;

CREATE VIEW IF NOT EXISTS all_gold_ohlcv_1m AS
SELECT
    exchange, symbol, window_start, open_time, open, high, low, close, close_time, volume, quote_volume,
    CAST(trade_count, 'Nullable(Int64)') AS trade_count, CAST(is_complete, 'Nullable(Bool)') AS is_complete
FROM gold_ohlcv_1m;

CREATE VIEW IF NOT EXISTS all_gold_ohlcv_5m AS
SELECT
    exchange, symbol, window_start, open_time, open, high, low, close, close_time, volume, quote_volume,
    CAST(trade_count, 'Nullable(Int64)') AS trade_count, CAST(is_complete, 'Nullable(Bool)') AS is_complete
FROM gold_ohlcv_5m;

CREATE VIEW IF NOT EXISTS all_gold_ohlcv_15m AS
SELECT
    exchange, symbol, window_start, open_time, open, high, low, close, close_time, volume, quote_volume,
    CAST(trade_count, 'Nullable(Int64)') AS trade_count, CAST(is_complete, 'Nullable(Bool)') AS is_complete
FROM gold_ohlcv_15m;

CREATE VIEW IF NOT EXISTS all_gold_ohlcv_30m AS
SELECT
    exchange, symbol, window_start, open_time, open, high, low, close, close_time, volume, quote_volume,
    CAST(trade_count, 'Nullable(Int64)') AS trade_count, CAST(is_complete, 'Nullable(Bool)') AS is_complete
FROM gold_ohlcv_30m;

CREATE VIEW IF NOT EXISTS all_gold_ohlcv_1h AS
SELECT
    exchange, symbol, window_start, open_time, open, high, low, close, close_time, volume, quote_volume,
    CAST(trade_count, 'Nullable(Int64)') AS trade_count, CAST(is_complete, 'Nullable(Bool)') AS is_complete
FROM gold_ohlcv_1h;

CREATE VIEW IF NOT EXISTS all_gold_ohlcv_1d AS
SELECT
    exchange, symbol, window_start, open_time, open, high, low, close, close_time, volume, quote_volume,
    CAST(trade_count, 'Nullable(Int64)') AS trade_count, CAST(is_complete, 'Nullable(Bool)') AS is_complete
FROM gold_ohlcv_1d;
