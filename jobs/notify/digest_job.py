"""The job that writes somebody a letter with what they have not read."""

from jobs.runtime import job
from server import notifications
from server.kernel.logs import log
from server.kernel.mail import MailRefused
from server.kernel.services import Services
from server.notifications import DIGEST, SendDigest

_log = log("jobs")


@job(DIGEST)
async def send(services: Services, args: SendDigest) -> None:
    """Send the letter, if there is still something to tell; after a crash it may leave twice."""
    now = services.clock.now()
    async with services.database.read() as db:
        letter = await notifications.letter_for(db, services.policy, args.user_id)
    if letter is not None:
        try:
            await services.mailer.send(letter)
        except MailRefused as refused:
            _log.warning("letter_refused", user_id=str(args.user_id), why=str(refused))
    async with services.write() as db:
        await notifications.digested(db, args.user_id, now)
