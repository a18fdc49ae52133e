"""The job that tells somebody's browsers of one growth of one notification."""

import msgspec

from jobs.notify.web_push import PushPort, WebPush
from jobs.runtime import job
from server import notifications
from server.kernel.logs import log
from server.kernel.metrics import pushes_sent
from server.kernel.services import Services
from server.notifications import PUSH, PushOne

_log = log("jobs")


class SendAgain(Exception):
    """Some push service does not take anything just now."""


@job(PUSH)
async def push(services: Services, args: PushOne) -> None:
    """Tell every browser of the owner, unless it was seen meanwhile or told already."""
    if services.policy.vapid_private_key is None:
        return
    await tell(services, args, WebPush(services.policy, services.clock))


async def tell(services: Services, args: PushOne, service: PushPort) -> None:
    """Tell every browser; those that are gone are forgotten.

    Raises:
        SendAgain: none was told, and one may be later.

    """
    async with services.database.read() as db:
        pushed = await notifications.to_push(db, services.policy, args)
        browsers = await notifications.subscriptions(db, args.user_id)
    if pushed is None or not browsers:
        return
    message = msgspec.json.encode(pushed)
    # The same topic for the same notification: where it waits, the newer one replaces it.
    outcomes = {each.id: await service.send(each, message, topic=args.id.hex) for each in browsers}
    for outcome in outcomes.values():
        pushes_sent.labels(outcome).inc()
    if set(outcomes.values()) == {"later"}:
        raise SendAgain(f"{len(outcomes)} browsers of {args.user_id} could not be told.")
    async with services.write() as db:
        await notifications.drop(db, [each for each, how in outcomes.items() if how == "gone"])
        await notifications.claim(db, args)
