"""Where items come from: feeds, how politely they are fetched, and how they fare."""
