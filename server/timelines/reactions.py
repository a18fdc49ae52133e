"""What timelines do when they are told: note what appears, write it to followers, mend lists.

Noting and writing are two steps, the second told of by an event of the first. So what is written to
followers is committed before these are read; whoever follows meanwhile either is among them, or
finds it there when their own list is filled up.
"""

from server.engagement.events import EngagementRecorded
from server.graph.events import Followed, GraphChanged, Muted, Unfollowed, Unmuted
from server.items.events import ItemsPublished, ItemsRestored, ItemsRetracted
from server.kernel.database import Db
from server.kernel.outbox import Reaction
from server.kernel.services import Services
from server.timelines import actions, live, modes
from server.timelines.events import Appeared, AuthorSank
from server.timelines.fanout import FanOut
from server.timelines.model import Entry, Key


async def note(_services: Services, db: Db, event: ItemsPublished) -> None:
    """Note what people wrote here."""
    await actions.note(db, event.ids)


async def note_again(_services: Services, db: Db, event: ItemsRestored) -> None:
    """Note what is shown again, and who reposted it."""
    await actions.note_again(db, event.ids)


async def drop(_services: Services, db: Db, event: ItemsRetracted) -> None:
    """Drop what is gone."""
    await actions.drop(db, event.ids)


async def note_repost(_services: Services, db: Db, event: EngagementRecorded) -> None:
    """Note a repost, or drop it when it was taken back."""
    if event.action == "repost":
        await actions.note_repost(db, event.item_id, event.user_id)
    elif event.action == "unrepost":
        await actions.drop_repost(db, event.item_id, event.user_id)


async def weigh(services: Services, db: Db, event: GraphChanged) -> None:
    """Look whether somebody has many or few enough followers now to be read another way."""
    await actions.weigh(services, db, event.target_id)


async def settle(services: Services, _db: Db, event: GraphChanged) -> None:
    """Bring a reader's list to what is between the two now."""
    await fan_out_of(services).settle(event.user_id, event.target_id)


async def write(services: Services, _db: Db, event: Appeared) -> None:
    """Write an entry to those who follow, or take it out."""
    entry = Entry(Key(event.at, event.item_id, event.actor_id), event.repost)
    if event.gone:
        await fan_out_of(services).remove(entry)
        return
    await fan_out_of(services).push(entry)
    await services.publisher.broadcast(live.TOPIC, live.EVENT, event)


async def refill(services: Services, db: Db, event: AuthorSank) -> None:
    """Write what was not written of an author, and merge them in no longer."""
    await fan_out_of(services).refill(event.author_id)
    await modes.leave(db, event.author_id, event.turn)


def fan_out_of(services: Services) -> FanOut:
    """Give the one writer of this process, so that its bound holds for all that is written."""
    found = services.parts.get(FanOut)
    if found is None:
        found = services.parts[FanOut] = FanOut(services)
    assert isinstance(found, FanOut)  # noqa: S101 - for the type checker
    return found


reactions = [
    Reaction("timelines.note", ItemsPublished, note),
    Reaction("timelines.note_again", ItemsRestored, note_again),
    Reaction("timelines.drop", ItemsRetracted, drop),
    Reaction("timelines.repost", EngagementRecorded, note_repost),
    *(Reaction(f"timelines.weigh_{each.topic}", each, weigh) for each in (Followed, Unfollowed)),
    *(
        Reaction(f"fan_out.settle_{each.topic}", each, settle)
        for each in (Followed, Unfollowed, Muted, Unmuted)
    ),
    Reaction("fan_out.write", Appeared, write),
    Reaction("fan_out.refill", AuthorSank, refill),
]
