"""The warm tier: ClickHouse, its client and the migrations that make its tables."""
