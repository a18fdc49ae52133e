"""Letters with what somebody has not read: what they say, and the link that ends them."""

from datetime import datetime
from uuid import UUID

from server import users
from server.kernel.database import Db
from server.kernel.mail import Letter
from server.kernel.problems import NotFound
from server.kernel.services import Policy
from server.kernel.signing import ForgedError, Signer
from server.notifications import changing, choosing, reading, store
from server.notifications.model import Kind, Notification, PreferencesChange, choice_of

MOST_TOLD = 10

_DID: dict[Kind, str] = {
    "reply": "answered your comment",
    "comment": "commented on your post",
    "like": "liked what you wrote",
    "mention": "mentioned you",
    "follow": "followed you",
    "repost": "reposted what you wrote",
    "quote": "quoted you",
    "poll_ended": "A poll of yours has ended",
    "verdict": "A decision about your account or what you wrote",
    "security": "About the security of your account",
    "source_trouble": "A source is in trouble",
    "media_trouble": "A card could not be made",
}


async def letter_for(db: Db, policy: Policy, user_id: UUID) -> Letter | None:
    """Write a letter with what somebody has not read since the last; None when there is nothing."""
    chosen = await choosing.of(db, user_id)
    person = (await users.by_ids(db, [user_id])).get(user_id)
    if person is None or person.state != "active" or chosen.digest == "off":
        return None
    kept = await store.page(db, user_id, before=None, limit=100)
    news = [
        each
        for each in kept
        if each.read_at is None
        and (chosen.digested_at is None or each.updated_at > chosen.digested_at)
        and choice_of(chosen.kinds, each.kind).mail
    ]
    if not news:
        return None
    shown = await reading.shown(db, news[:MOST_TOLD])
    more = len(news) - len(shown)
    link = f"{policy.page_url}/notifications/unsubscribe?token={token_of(policy.secret, user_id)}"
    lines = [f"Hello {person.display_name},", "", "what you missed on Lumen:", ""]
    lines += [f"- {sentence(each)}" for each in shown]
    lines += [f"- and {more} more"] if more else []
    lines += ["", f"Read it here: {policy.page_url}/", "", f"No more letters like this: {link}"]
    count = len(news)
    return Letter(
        to=person.email,
        subject=f"{count} notification{'s' if count > 1 else ''} on Lumen",
        text="\n".join(lines) + "\n",
        # One click in the reader's mail program ends them (RFC 8058).
        headers=(
            ("List-Unsubscribe", f"<{link}>"),
            ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
        ),
    )


def sentence(news: Notification) -> str:
    """Say what a notification tells, in one line."""
    if not news.actor_count:
        said = _DID[news.kind]
    else:
        first = news.actors[0].name if news.actors else "Somebody"
        others = news.actor_count - 1
        and_others = f" and {others} other{'s' if others > 1 else ''}" if others else ""
        said = f"{first}{and_others} {_DID[news.kind]}"
    return f"{said}: {news.excerpt}" if news.excerpt else said


def token_of(secret: str, user_id: UUID) -> str:
    """Write the token that ends somebody's letters; it is good for ever, and for nothing else."""
    return Signer(secret, "unsubscribe").sign(user_id.bytes)


def owner_of_link(secret: str, token: str) -> UUID:
    """Read whose letters a link ends.

    Raises:
        NotFound: we made no such link.

    """
    try:
        return UUID(bytes=Signer(secret, "unsubscribe").open(token))
    except (ForgedError, ValueError) as error:
        raise NotFound("We made no such link.") from error


async def end(db: Db, user_id: UUID, now: datetime) -> None:
    """Send somebody no more letters."""
    await changing.hold(db, [user_id])
    await choosing.choose(db, user_id, PreferencesChange(digest="off"), now)
