"""Records as rows of Arrow, a batch at a time: what every tier of tables is filled with."""
