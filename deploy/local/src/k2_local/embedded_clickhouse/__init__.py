"""ClickHouse's engine (chdb) behind its own HTTP interface, as far as clickhouse-connect uses it."""
