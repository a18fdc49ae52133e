"""The demo content: made-up news, short posts and comments, marked so that it can go again."""

from server.demo.content import load, remove
from server.demo.model import DOMAIN, DemoFeed, feeds, is_talk, username_of
from server.demo.tasks import LOAD, LoadDemo

__all__ = [
    "DOMAIN",
    "LOAD",
    "DemoFeed",
    "LoadDemo",
    "feeds",
    "is_talk",
    "load",
    "remove",
    "username_of",
]
