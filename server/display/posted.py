"""What posts have beside their items, read for many at once; nothing is read where none is."""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from msgspec import Struct

from server import posts, users
from server.display.model import AuthorRef, Item, PictureRef
from server.items import StoredItem
from server.kernel.database import Db
from server.kernel.storage import Storage
from server.kernel.viewer import Viewer
from server.posts import Poll, Post
from server.users import User


class Posted(Struct, frozen=True):
    """What was read of the posts of a page."""

    posts: Mapping[UUID, Post] = {}
    polls: Mapping[UUID, Poll] = {}
    named: Mapping[UUID, User] = {}

    @property
    def quoted(self) -> set[UUID]:
        """The items that these posts quote."""
        return {post.quote_of for post in self.posts.values() if post.quote_of is not None}


async def read(db: Db, viewer: Viewer, found: Iterable[StoredItem]) -> Posted:
    """Read what the posts among some items have beside them."""
    written = [item.id for item in found if item.author_id and item.kind != "COMMENT"]
    known = await posts.by_ids(db, written)
    if not known:
        return Posted()
    people = {each for post in known.values() for each in post.mentions}
    return Posted(
        posts=known,
        polls=await posts.polls(db, viewer, known),
        named=await users.by_ids(db, people),
    )


def extras(
    item_id: UUID, posted: Posted, quoted: Mapping[UUID, Item], storage: Storage
) -> dict[str, Any]:
    """Give the members that a post has and other items have not."""
    post = posted.posts.get(item_id)
    if post is None:
        return {}
    link = post.link if post.link is not None and post.link.kind != "none" else None
    people = (posted.named.get(each) for each in post.mentions)
    return {
        "quote_of": post.quote_of,
        "quoted": quoted.get(post.quote_of) if post.quote_of else None,
        "poll": posted.polls.get(item_id),
        "pictures": [PictureRef(storage.url(each.key), each.alt) for each in post.media],
        "mentions": [
            AuthorRef(name=each.display_name, id=each.id, username=each.username)
            for each in people
            if each is not None
        ],
        "link": link.shown(storage) if link else None,
    }
