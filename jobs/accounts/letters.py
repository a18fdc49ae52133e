"""The job that sends a letter with a link."""

from jobs.runtime import job
from server import auth
from server.auth.tasks import LETTER, SendLetter
from server.kernel.logs import log
from server.kernel.mail import MailRefused
from server.kernel.services import Services

_log = log("jobs")


@job(LETTER)
async def send(services: Services, args: SendLetter) -> None:
    """Send the letter of a token, unless it has left or opens nothing any more."""
    now = services.clock.now()
    async with services.database.read() as db:
        letter = await auth.letter_of(db, services.policy, args.token_id, now)
    if letter is not None:
        try:
            await services.mailer.send(letter)
        except MailRefused as refused:
            # It would be refused again; whoever waits for it can ask for another.
            _log.warning("letter_refused", token_id=str(args.token_id), why=str(refused))
    async with services.write() as db:
        await auth.letter_sent(db, args.token_id, now)
