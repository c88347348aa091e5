-- An insert that was answered survives a power cut: its parts are on the disk, and those that were merged stay there
-- until what they were merged into is.
ALTER TABLE raw_trades MODIFY SETTING fsync_after_insert = 1, fsync_part_directory = 1, old_parts_lifetime = 480;
ALTER TABLE bronze_trades MODIFY SETTING fsync_after_insert = 1, fsync_part_directory = 1, old_parts_lifetime = 480;
ALTER TABLE silver_trades MODIFY SETTING fsync_after_insert = 1, fsync_part_directory = 1, old_parts_lifetime = 480;
ALTER TABLE gold_trades MODIFY SETTING fsync_after_insert = 1, fsync_part_directory = 1, old_parts_lifetime = 480;
ALTER TABLE dead_letters MODIFY SETTING fsync_after_insert = 1, fsync_part_directory = 1, old_parts_lifetime = 480;
ALTER TABLE gaps MODIFY SETTING fsync_after_insert = 1, fsync_part_directory = 1, old_parts_lifetime = 480;
ALTER TABLE sink_state MODIFY SETTING fsync_after_insert = 1, fsync_part_directory = 1, old_parts_lifetime = 480;
