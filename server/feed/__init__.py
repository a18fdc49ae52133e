"""Feeds: sessions, their ledgers, slides and cards, over REST and over channels."""
