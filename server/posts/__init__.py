"""Posts: what people write here, with quotes, polls, pictures and links."""
