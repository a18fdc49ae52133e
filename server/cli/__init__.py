"""`lumen`, the command: the way to start, mend and feed everything."""

from server.cli.root import main

__all__ = ["main"]
