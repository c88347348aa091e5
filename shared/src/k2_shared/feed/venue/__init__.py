"""What a venue is: its protocol, its REST, its listings, its budgets."""
