"""What happens when a sign-in ends, when authority changes, and when a letter is asked for."""

from server import users
from server.auth import letters, outdated
from server.auth.events import LetterAsked, PasswordForgotten, SignInEnded
from server.auth.tasks import LETTER, SendLetter, letter_id
from server.auth.tokens import socket_id
from server.kernel.database import Db
from server.kernel.outbox import Reaction
from server.kernel.services import Services
from server.users.events import AuthorityChanged

# What the realtime library takes for an order to close the sockets of a name, with 1001.
DISCONNECT = "disconnect"


async def end_sockets(services: Services, _db: Db, event: SignInEnded) -> None:
    """Close every socket that was opened in a sign-in."""
    await services.publisher.broadcast(socket_id(event.family), DISCONNECT, {})


async def refuse_tokens(services: Services, _db: Db, event: SignInEnded) -> None:
    """Have every node refuse the access tokens of a sign-in."""
    told = outdated.Ended([event.family])
    await services.publisher.broadcast(outdated.TOPIC, outdated.ENDED, told)


async def refuse_other_roles(services: Services, db: Db, event: AuthorityChanged) -> None:
    """Have every node refuse tokens that say of a person what is true no longer."""
    user = (await users.by_ids(db, [event.user_id])).get(event.user_id)
    if user is not None:
        told = outdated.Standing(user.id, outdated.role_of(user))
        await services.publisher.broadcast(outdated.TOPIC, outdated.STANDING, told)


async def send_letter(services: Services, _db: Db, event: LetterAsked) -> None:
    """Queue the letter; should the queue be lost, a sweep finds that it has not left."""
    job_id = letter_id(event.token_id)
    await services.queue.enqueue(LETTER, SendLetter(event.token_id), job_id=job_id)


async def look_for_account(services: Services, db: Db, event: PasswordForgotten) -> None:
    """See whether somebody has the address, where nobody can measure how long it takes."""
    await letters.forgot(db, services.policy, event.email, services.clock.now())


reactions = [
    # Before the sockets, which come back at once with the token that they have.
    Reaction("auth.refuse_tokens", SignInEnded, refuse_tokens),
    Reaction("auth.end_sockets", SignInEnded, end_sockets),
    Reaction("auth.refuse_other_roles", AuthorityChanged, refuse_other_roles),
    Reaction("auth.send_letter", LetterAsked, send_letter),
    Reaction("auth.look_for_account", PasswordForgotten, look_for_account),
]
