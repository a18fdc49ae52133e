"""The ways in: each turns its own kind of wire into a Connection."""
