"""PostgreSQL and Redis from their wheels, for one machine and no install.

Nothing outside the command line and the tests imports this room; a server process only sees URLs.
"""

from server.embedded.failures import EmbeddedError
from server.embedded.home import Home, HomeBusyError
from server.embedded.postgres import PostgresServer
from server.embedded.redis import RedisServer

__all__ = ["EmbeddedError", "Home", "HomeBusyError", "PostgresServer", "RedisServer"]
