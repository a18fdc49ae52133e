"""Signing in: passwords, tokens, and the families of refresh tokens."""
