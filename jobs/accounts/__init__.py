"""Letters to people, and what they take with them."""
