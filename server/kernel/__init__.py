"""What three or more domains need, and that knows none of them."""
