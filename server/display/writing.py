"""The endpoints of posts: what was written is answered as its author sees it, a whole item."""

from uuid import UUID

from server import posts, uploads
from server.display import actions
from server.display.model import Item
from server.engagement import NoSuchItem
from server.kernel.database import Db
from server.kernel.endpoint import Call, Nothing, Operation
from server.kernel.problems import Malformed, NotAllowed, SignInFirst, TooMany
from server.kernel.services import Services
from server.kernel.viewer import Viewer
from server.posts import Picture, PostDraft, PostEdit, Rules, TooLateToEdit
from server.uploads import NotYours


async def create(call: Call[PostDraft, Nothing]) -> Item:
    """Post a text, pictures, a poll or a quote."""
    return await post(call.services, call.viewer, call.body)


async def edit(call: Call[PostEdit, Nothing]) -> Item:
    """Give one's own post other words, for a while after it was posted."""
    services = call.services
    async with services.write() as db:
        now = services.clock.now()
        await posts.edit(db, call.viewer, call.id(), call.body, rules_of(services), now)
        return await _shown(db, call.viewer, call.id(), services)


async def item(call: Call[Nothing, Nothing]) -> Item:
    """Give a post whole: the item of that id."""
    async with call.services.database.read() as db:
        if not await posts.by_ids(db, [call.id()]):
            raise NoSuchItem
        return await _shown(db, call.viewer, call.id(), call.services)


async def post(services: Services, viewer: Viewer, draft: PostDraft) -> Item:
    """Post something and show it to its author."""
    # Before the transaction that writes: the storage may be far away.
    async with services.database.read() as db:
        keys = [each.key for each in draft.media]
        given = await uploads.accepted(db, services.storage, viewer, keys)
    pictures = [Picture(each.key, each.alt or None) for each in draft.media]
    async with services.write() as db:
        now = services.clock.now()
        made = await posts.create(db, viewer, draft, pictures, rules_of(services), now)
        await uploads.attach(db, viewer, given, now)
        return await _shown(db, viewer, made, services)


def rules_of(services: Services) -> Rules:
    """Read from the policy how long posts may be, and for how long they can be edited."""
    return Rules(services.policy.post_characters, services.policy.post_edit_seconds)


async def _shown(db: Db, viewer: Viewer, item_id: UUID, services: Services) -> Item:
    return await actions.one(db, viewer, item_id, services.storage)


operations = [
    Operation(
        method="POST",
        path="/posts",
        handler=create,
        access="user",
        body=PostDraft,
        returns=Item,
        status=201,
        problems=(SignInFirst, NotAllowed, NoSuchItem, Malformed, NotYours, TooMany),
        tag="posts",
    ),
    Operation(
        method="GET",
        path="/posts/{id}",
        handler=item,
        returns=Item,
        problems=(NoSuchItem,),
        etag=True,
        tag="posts",
    ),
    Operation(
        method="PATCH",
        path="/posts/{id}",
        handler=edit,
        access="user",
        body=PostEdit,
        returns=Item,
        problems=(SignInFirst, NotAllowed, NoSuchItem, TooLateToEdit, Malformed, TooMany),
        tag="posts",
    ),
]
