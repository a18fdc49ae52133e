"""Pictures and moving pictures of items: originals, posters, cards, and how far they are."""
