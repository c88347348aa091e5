"""``k2 dlq``: what the dead-letter topic holds, and how letters go back to where they were refused."""
