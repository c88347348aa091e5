"""What two or more K2 services need today."""
