-- Candles as a reader wants them: each once, with what is derived, and how many trades they are known to lack.

-- Of each candle that may lack trades, how many. The rule, and why it holds: k2_shared/candles/completeness.py.
CREATE VIEW IF NOT EXISTS candles_missing AS
WITH
    ranges AS
    (
        SELECT exchange, symbol, first_id, last_id, total
        FROM missing_ids FINAL
        ARRAY JOIN
            first_ids AS first_id,
            last_ids AS last_id,
            arrayCumSum(arrayMap((first, last) -> last - first + 1, first_ids, last_ids)) AS total
    ),
    neighbours AS
    (
        SELECT
            timeframe, exchange, symbol, window_start, lowest_id, highest_id, trade_count,
            max(highest_id) OVER (PARTITION BY timeframe, exchange, symbol ORDER BY window_start
                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before,
            ifNull(minOrNull(lowest_id) OVER (PARTITION BY timeframe, exchange, symbol ORDER BY window_start DESC
                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 9223372036854775807) AS after
        FROM candles FINAL
        WHERE (exchange, symbol) IN (SELECT exchange, symbol FROM missing_ids FINAL WHERE notEmpty(first_ids))
    ),
    bounds AS
    (
        SELECT
            timeframe, exchange, symbol, window_start,
            least(lowest_id, after) AS lowest,
            greatest(highest_id, before) AS highest,
            if(before < lowest, before, lowest - 2) AS low,
            if(after > highest, after, least(highest, 9223372036854775805) + 2) AS high,
            -- where no id of another candle lies between, there is no room for more: gold may have expired
            if(before < lowest AND after > highest, after - before - 1 - toInt64(trade_count), 9223372036854775807) AS room
        FROM neighbours
    )
SELECT
    bounds.timeframe AS timeframe,
    bounds.exchange AS exchange,
    bounds.symbol AS symbol,
    bounds.window_start AS window_start,
    toUInt64(greatest(0, least(room, begun.total - passed.total))) AS missing_trades
FROM bounds
ASOF JOIN ranges AS begun
    ON bounds.exchange = begun.exchange AND bounds.symbol = begun.symbol AND bounds.high > begun.first_id
ASOF LEFT JOIN ranges AS passed
    ON bounds.exchange = passed.exchange AND bounds.symbol = passed.symbol AND bounds.low >= passed.last_id
WHERE missing_trades > 0;

CREATE VIEW IF NOT EXISTS ohlcv AS
SELECT
    candle.timeframe AS timeframe,
    candle.exchange AS exchange,
    candle.symbol AS symbol,
    candle.window_start AS window_start,
    addMinutes(candle.window_start, [1, 5, 15, 30, 60, 1440][toInt8(candle.timeframe) + 1]) AS window_end,
    candle.open_ts AS open_time,
    candle.open AS open,
    candle.high AS high,
    candle.low AS low,
    candle.close AS close,
    candle.close_ts AS close_time,
    candle.volume AS volume,
    candle.quote_volume AS quote_volume,
    CAST(candle.quote_volume / candle.volume, 'Decimal(38, 16)') AS vwap,
    candle.trade_count AS trade_count,
    window_end <= now64(6, 'UTC') AS is_closed,
    lacking.missing_trades = 0 AS is_complete,
    lacking.missing_trades AS missing_trades
FROM candles AS candle FINAL
LEFT JOIN candles_missing AS lacking
    ON candle.timeframe = lacking.timeframe AND candle.exchange = lacking.exchange
    AND candle.symbol = lacking.symbol AND candle.window_start = lacking.window_start;

CREATE VIEW IF NOT EXISTS gold_ohlcv_1m AS SELECT * EXCEPT timeframe FROM ohlcv WHERE timeframe = '1m';
CREATE VIEW IF NOT EXISTS gold_ohlcv_5m AS SELECT * EXCEPT timeframe FROM ohlcv WHERE timeframe = '5m';
CREATE VIEW IF NOT EXISTS gold_ohlcv_15m AS SELECT * EXCEPT timeframe FROM ohlcv WHERE timeframe = '15m';
CREATE VIEW IF NOT EXISTS gold_ohlcv_30m AS SELECT * EXCEPT timeframe FROM ohlcv WHERE timeframe = '30m';
CREATE VIEW IF NOT EXISTS gold_ohlcv_1h AS SELECT * EXCEPT timeframe FROM ohlcv WHERE timeframe = '1h';
CREATE VIEW IF NOT EXISTS gold_ohlcv_1d AS SELECT * EXCEPT timeframe FROM ohlcv WHERE timeframe = '1d';
