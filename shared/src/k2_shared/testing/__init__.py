"""What the tests of two or more packages need."""
