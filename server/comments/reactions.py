"""What comments do when they are told: open screens show the new one, and lose the retracted."""

from server.comments import actions
from server.comments.events import CommentCreated, CommentDeleted, CommentEdited
from server.comments.model import HIDDEN_TOPIC, Hidden, HiddenOf
from server.items.events import ItemsRetracted
from server.kernel.database import Db
from server.kernel.outbox import Reaction
from server.kernel.services import Services
from server.kernel.viewer import VISITOR


def topic_of(item_id: object) -> str:
    """Name the topic on which an item's comments and counters are told."""
    return f"item:{item_id}"


async def show_comment(services: Services, db: Db, event: CommentCreated) -> None:
    """Show a new comment wherever its item, or the comment it answers, is open."""
    found = await actions.by_ids(db, VISITOR, [event.id], services.storage)
    comment = found.get(event.id)
    if comment is None or comment.retracted:
        return
    for above in (event.target_id, event.parent_id):
        if above is not None:
            await services.publisher.broadcast(topic_of(above), "comment", comment)


async def show_edited(services: Services, db: Db, event: CommentEdited) -> None:
    """Show the new words wherever the comment is on the screen."""
    found = await actions.by_ids(db, VISITOR, [event.id], services.storage)
    comment = found.get(event.id)
    if comment is None or comment.retracted:
        return
    for above in (event.target_id, event.parent_id):
        if above is not None:
            await services.publisher.broadcast(topic_of(above), "comment_edited", comment)


async def hide_deleted(services: Services, _db: Db, event: CommentDeleted) -> None:
    """Take a deleted comment from wherever its item is open."""
    gone = {"ids": [event.id]}
    for above in (event.target_id, event.parent_id):
        if above is not None:
            await services.publisher.broadcast(topic_of(above), "retract", gone)


async def hide_comments(services: Services, db: Db, event: ItemsRetracted) -> None:
    """Take retracted comments from wherever their items are open.

    What is hidden with its author, each node takes from the screens of all others.
    """
    threads = (await actions.threads(db, event.ids)).values()
    if event.hidden_author is not None:
        places = [
            (above, each.id) for each in threads for above in (each.target_id, each.parent_id)
        ]
        under = [Hidden(above, item_id) for above, item_id in places if above is not None]
        own = [Hidden(each, each) for each in event.ids]
        told = HiddenOf(event.hidden_author, [*own, *under])
        await services.publisher.broadcast(HIDDEN_TOPIC, "hidden", told)
        return
    for thread in threads:
        gone = {"ids": [thread.id]}
        for above in (thread.target_id, thread.parent_id):
            if above is not None:
                await services.publisher.broadcast(topic_of(above), "retract", gone)


reactions = [
    Reaction("comments.show", CommentCreated, show_comment),
    Reaction("comments.show_edited", CommentEdited, show_edited),
    Reaction("comments.hide_deleted", CommentDeleted, hide_deleted),
    Reaction("comments.hide", ItemsRetracted, hide_comments),
]
