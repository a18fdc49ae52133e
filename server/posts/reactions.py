"""What posts do when they are told: have their link looked at, count no more, tell open screens."""

from server.engagement import POLLS_TOPIC
from server.engagement.events import VoteCast
from server.items.events import ItemsRestored, ItemsRetracted
from server.kernel.database import Db
from server.kernel.outbox import Reaction
from server.kernel.services import Services
from server.posts import actions
from server.posts.events import LinkCarded, PostCreated, PostEdited
from server.posts.model import BALLOT_EVENT, Carded
from server.posts.tasks import CARD_LINK, CardLink, card_link_id


async def look_at_link(services: Services, _db: Db, event: PostCreated | PostEdited) -> None:
    """Queue the card of a post's first link."""
    if event.link_url is not None:
        await services.queue.enqueue(CARD_LINK, CardLink(event.id), job_id=card_link_id(event.id))


async def settle(_services: Services, db: Db, event: ItemsRetracted | ItemsRestored) -> None:
    """Let posts count while they are shown, whoever decided that."""
    await actions.settle(db, event.ids)


async def show_link(services: Services, db: Db, event: LinkCarded) -> None:
    """Show the card of a link wherever its post is open."""
    post = (await actions.by_ids(db, [event.id])).get(event.id)
    if post is not None and post.link is not None:
        carded = Carded(post.id, post.link.shown(services.storage))
        await services.publisher.broadcast(f"item:{event.id}", "link", carded)


async def show_votes(services: Services, _db: Db, event: VoteCast) -> None:
    """Let every open screen of whoever voted show the votes from now on."""
    await services.publisher.broadcast(POLLS_TOPIC, BALLOT_EVENT, event)


reactions = [
    Reaction("posts.card_link", PostCreated, look_at_link),
    Reaction("posts.card_link_again", PostEdited, look_at_link),
    Reaction("posts.gone", ItemsRetracted, settle),
    Reaction("posts.back", ItemsRestored, settle),
    Reaction("posts.show_link", LinkCarded, show_link),
    Reaction("posts.show_votes", VoteCast, show_votes),
]
