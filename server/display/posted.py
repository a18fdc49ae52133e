"""What posts have beside their items, read for many at once; nothing is read where none is."""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from msgspec import Struct

from server import posts, uploads, users
from server.display.model import AuthorRef, Item, PictureRef, SizeRef
from server.items import StoredItem
from server.kernel.database import Db
from server.kernel.storage import Storage
from server.kernel.viewer import Viewer
from server.posts import Picture, Poll, Post
from server.uploads import Pictured
from server.users import User


class Posted(Struct, frozen=True):
    """What was read of the posts of a page."""

    posts: Mapping[UUID, Post] = {}
    polls: Mapping[UUID, Poll] = {}
    named: Mapping[UUID, User] = {}
    pictured: Mapping[str, Pictured] = {}

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
        pictured=await uploads.pictures(
            db, {each.key for post in known.values() for each in post.media}
        ),
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
        "pictures": [
            _picture(each, posted.pictured[each.key], storage)
            for each in post.media
            # What is still being looked at has nothing yet that may be shown.
            if each.key in posted.pictured
        ],
        "mentions": [
            AuthorRef(name=each.display_name, id=each.id, username=each.username)
            for each in people
            if each is not None
        ],
        "link": link.shown(storage) if link else None,
    }


def _picture(picture: Picture, made: Pictured, storage: Storage) -> PictureRef:
    return PictureRef(
        url=storage.url(made.plain.key),
        alt=picture.alt,
        width=made.width,
        height=made.height,
        sizes=[SizeRef(storage.url(each.key), each.width, each.height) for each in made.sizes],
        placeholder=made.placeholder,
        film_url=storage.url(made.film.key) if made.film else None,
    )
