"""What happens when a sign-in ends: its open sockets end with it, on every node."""

from server.auth.events import SignInEnded
from server.auth.tokens import socket_id
from server.kernel.database import Db
from server.kernel.outbox import Reaction
from server.kernel.services import Services

# What the realtime library takes for an order to close the sockets of a name, with 1001.
DISCONNECT = "disconnect"


async def end_sockets(services: Services, _db: Db, event: SignInEnded) -> None:
    """Close every socket that was opened in a sign-in."""
    await services.publisher.broadcast(socket_id(event.family), DISCONNECT, {})


reactions = [Reaction("auth.end_sockets", SignInEnded, end_sockets)]
