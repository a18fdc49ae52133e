"""What people take with them when they ask for their data."""
