"""The warm tier put back from the cold one."""
