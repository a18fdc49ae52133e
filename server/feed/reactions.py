"""What feeds do when they are told: open screens hear of what came, and of what is gone."""

from uuid import UUID

from server import display, items
from server.feed.model import EDITED_AT_ONCE, CardReady, Edited, Fresh, Hidden, Retract
from server.feed.node import CARDS, GONE, HIDDEN, NEW, POOL_TOPIC
from server.feed.pool import FEATURED_KINDS
from server.items import StoredItem
from server.items.events import ItemsEdited, ItemsEmbedded, ItemsRestored, ItemsRetracted
from server.kernel.database import Db
from server.kernel.outbox import Reaction
from server.kernel.services import Services
from server.kernel.viewer import VISITOR
from server.media.events import CardChanged


async def tell_fresh(services: Services, db: Db, event: ItemsEmbedded) -> None:
    """Tell readers of News that there is more; first the nodes, so that it can be had.

    What is related on a slide only, what is embedded anew because its text was edited, and what
    another source has told already, is no news: a reader who asked for it would be given nothing.
    """
    await services.publisher.broadcast(POOL_TOPIC, NEW, {})
    found = (await items.by_ids(db, event.ids)).values()
    news = [each.id for each in found if _is_news(each)]
    await items.told(db, news, services.clock.now())
    if news:
        await services.publisher.broadcast("feed:news", "fresh", Fresh(len(news), news))


async def tell_card(services: Services, db: Db, event: CardChanged) -> None:
    """Tell readers of For You that an item has a card now, or that its card can be played."""
    if event.state == "failed":
        return
    await services.publisher.broadcast(POOL_TOPIC, CARDS, {})
    if event.state == "poster":
        fresh = Fresh(1, [event.item_id])
        await services.publisher.broadcast("feed:foryou", "fresh", fresh)
        return
    card = await _card(services, db, event.item_id)
    if card is not None:
        await services.publisher.broadcast("feed:foryou", "media", card)


async def tell_edited(services: Services, db: Db, event: ItemsEdited) -> None:
    """Give open screens the new words of items; their counters go on as they are."""
    shown = await display.show(db, VISITOR, event.ids, services.storage)
    for start in range(0, len(event.ids), EDITED_AT_ONCE):
        part = [shown[each] for each in event.ids[start : start + EDITED_AT_ONCE]]
        edited = Edited([each for each in part if not each.retracted])
        for topic in ("feed:news", "feed:foryou", "feed:following"):
            await services.publisher.broadcast(topic, "edited", edited)
        for each in edited.items:
            await services.publisher.broadcast(f"item:{each.id}", "edited", Edited([each]))


async def tell_gone(services: Services, _db: Db, event: ItemsRetracted) -> None:
    """Take items off every open screen; each node spares their author who is hidden."""
    if event.hidden_author is not None:
        hidden = Hidden(event.ids, event.hidden_author)
        await services.publisher.broadcast(POOL_TOPIC, HIDDEN, hidden)
        return
    gone = Retract(event.ids)
    await services.publisher.broadcast(POOL_TOPIC, GONE, gone)
    feeds = ("feed:news", "feed:foryou", "feed:following")
    for topic in (*feeds, *(f"item:{each}" for each in event.ids)):
        await services.publisher.broadcast(topic, "retract", gone)


async def tell_back(services: Services, _db: Db, _event: ItemsRestored) -> None:
    """Have the nodes take up again what was gone for a while."""
    await services.publisher.broadcast(POOL_TOPIC, NEW, {})
    await services.publisher.broadcast(POOL_TOPIC, CARDS, {})


def _is_news(item: StoredItem) -> bool:
    first = item.story_id == item.id
    return item.kind in FEATURED_KINDS and item.edited_at is None and first


async def _card(services: Services, db: Db, item_id: UUID) -> CardReady | None:
    item = (await display.show(db, VISITOR, [item_id], services.storage))[item_id]
    if item.retracted:
        return None
    return CardReady(item.id, item.media_url, item.poster_url, item.duration_sec)


reactions = [
    Reaction("feed.fresh", ItemsEmbedded, tell_fresh),
    Reaction("feed.card", CardChanged, tell_card),
    Reaction("feed.edited", ItemsEdited, tell_edited),
    Reaction("feed.retract", ItemsRetracted, tell_gone),
    Reaction("feed.restore", ItemsRestored, tell_back),
]
