"""What every exchange feed shares; a venue adds one protocol, one settings class and one enum symbol."""
