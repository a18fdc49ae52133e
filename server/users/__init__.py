"""People: who they are, and what others may know of them."""
