"""Cards: the poster and the short film of an item that brought no video of its own."""
