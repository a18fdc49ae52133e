"""Items: everything that can be in a feed, their identity and their embeddings."""
