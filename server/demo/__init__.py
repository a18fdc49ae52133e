"""The content that a first start shows: feeds, people and comments written for Lumen."""
