"""What holds for every venue, as suites of tests: a venue's own tests inherit them and say its frames and answers."""
