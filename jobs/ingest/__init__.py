"""From a source's address to items: fetch, parse, clean, recognise, store."""
