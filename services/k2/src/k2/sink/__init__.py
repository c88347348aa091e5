"""``k2 sink``: how far the Iceberg tables are filled, and how a sink that halted goes on."""
