"""What happens when a sign-in ends, and when a letter is asked for."""

from server.auth import letters
from server.auth.events import LetterAsked, PasswordForgotten, SignInEnded
from server.auth.tasks import LETTER, SendLetter, letter_id
from server.auth.tokens import socket_id
from server.kernel.database import Db
from server.kernel.outbox import Reaction
from server.kernel.services import Services

# What the realtime library takes for an order to close the sockets of a name, with 1001.
DISCONNECT = "disconnect"


async def end_sockets(services: Services, _db: Db, event: SignInEnded) -> None:
    """Close every socket that was opened in a sign-in."""
    await services.publisher.broadcast(socket_id(event.family), DISCONNECT, {})


async def send_letter(services: Services, _db: Db, event: LetterAsked) -> None:
    """Queue the letter; should the queue be lost, a sweep finds that it has not left."""
    job_id = letter_id(event.token_id)
    await services.queue.enqueue(LETTER, SendLetter(event.token_id), job_id=job_id)


async def look_for_account(services: Services, db: Db, event: PasswordForgotten) -> None:
    """See whether somebody has the address, where nobody can measure how long it takes."""
    await letters.forgot(db, services.policy, event.email, services.clock.now())


reactions = [
    Reaction("auth.end_sockets", SignInEnded, end_sockets),
    Reaction("auth.send_letter", LetterAsked, send_letter),
    Reaction("auth.look_for_account", PasswordForgotten, look_for_account),
]
