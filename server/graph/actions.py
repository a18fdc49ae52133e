"""Following, blocking and muting, and what others may ask of who stands how to whom."""

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from server import users
from server.graph import store
from server.graph.events import (
    BlockLifted,
    BlockMade,
    Followed,
    GraphChanged,
    Muted,
    Unfollowed,
    Unmuted,
)
from server.graph.model import (
    MOST_HIDDEN,
    Blocked,
    GraphCounts,
    ListPrivate,
    NoSuchPerson,
    NotYourself,
    PeoplePage,
    PeopleQuery,
    Person,
    Place,
    Relation,
    Side,
    Tie,
    TooManyPeople,
    read_cursor,
    write_cursor,
)
from server.graph.store import Held
from server.kernel import outbox
from server.kernel.database import Db
from server.kernel.problems import NotAllowed, SignInFirst
from server.kernel.viewer import Viewer
from server.users import Audience, User

MOST_FOLLOWEES = 5_000
_MADE: Mapping[Tie, type[GraphChanged]] = {"follow": Followed, "block": BlockMade, "mute": Muted}
_ENDED: Mapping[Tie, type[GraphChanged]] = {
    "follow": Unfollowed,
    "block": BlockLifted,
    "mute": Unmuted,
}
ENDED_AT_ONCE = 200
# Who is not in order is not there for others.
_GONE = frozenset({"suspended", "deleted"})


async def follow(db: Db, viewer: Viewer, username: str, *, most: int = MOST_FOLLOWEES) -> Relation:
    """Follow a person; following them again changes nothing.

    Raises:
        SignInFirst: the viewer is a visitor.
        NoSuchPerson: there is no such person, or not any more.
        NotYourself: the person is the viewer.
        Blocked: one of the two has blocked the other.
        TooManyPeople: the viewer follows as many as one can.

    """
    me, them = await _both(db, viewer, username, present=True)
    between = await store.ties(db, me.id, them.id)
    if between.blocking or between.blocked_by:
        raise Blocked
    if not between.following:
        if me.following >= most:
            raise TooManyPeople(f"Nobody follows more than {most} people.")
        await store.tie(db, "follow", me.id, them.id)
        await _count(db, me.id, them.id, 1)
        await _tell(db, Followed, me.id, them.id)
    return await relation(db, viewer, them.id)


async def unfollow(db: Db, viewer: Viewer, username: str) -> Relation:
    """Follow a person no longer; not having done so changes nothing. Refused as `mute` is."""
    me, them = await _both(db, viewer, username)
    await _unfollow(db, me.id, them.id)
    return await relation(db, viewer, them.id)


async def block(db: Db, viewer: Viewer, username: str) -> Relation:
    """Block a person: neither follows, reaches or sees the other. Refused as `mute` is."""
    me, them = await _both(db, viewer, username)
    if await _tie(db, "block", me.id, them.id):
        await _unfollow(db, me.id, them.id)
        await _unfollow(db, them.id, me.id)
    return await relation(db, viewer, them.id)


async def unblock(db: Db, viewer: Viewer, username: str) -> Relation:
    """Lift a block; who followed whom before it does not come back. Refused as `mute` is."""
    me, them = await _both(db, viewer, username)
    await _untie(db, "block", me.id, them.id)
    return await relation(db, viewer, them.id)


async def mute(db: Db, viewer: Viewer, username: str) -> Relation:
    """See nothing of a person in feeds, without their knowing.

    Raises:
        SignInFirst: the viewer is a visitor.
        NoSuchPerson: there is no such person.
        NotYourself: the person is the viewer.
        TooManyPeople: the viewer has hidden as many as one can.

    """
    me, them = await _both(db, viewer, username)
    await _tie(db, "mute", me.id, them.id)
    return await relation(db, viewer, them.id)


async def unmute(db: Db, viewer: Viewer, username: str) -> Relation:
    """See a person in feeds again. Refused as `mute` is."""
    me, them = await _both(db, viewer, username)
    await _untie(db, "mute", me.id, them.id)
    return await relation(db, viewer, them.id)


async def relation(db: Db, viewer: Viewer, user_id: UUID) -> Relation:
    """Read how the viewer stands to a person, and the person's counts.

    Raises:
        NoSuchPerson: there is no such person.

    """
    person = await store.person(db, user_id)
    if person is None:
        raise NoSuchPerson
    counts = GraphCounts(followers=person.followers, following=person.following)
    if viewer.id is None:
        return Relation(id=person.id, username=person.username, counts=counts)
    between = await store.ties(db, viewer.id, user_id)
    return Relation(
        id=person.id,
        username=person.username,
        following=between.following,
        followed_by=between.followed_by,
        blocking=between.blocking,
        muting=between.muting,
        counts=counts,
    )


async def followees(db: Db, user_id: UUID) -> list[UUID]:
    """Read the ids of all whom a person follows; there are only so many."""
    return await store.followees(db, user_id)


async def followed(db: Db, viewer: Viewer, ids: Collection[UUID]) -> set[UUID]:
    """Read which of some people the viewer follows; a visitor nobody."""
    return await store.followed(db, viewer.id, ids) if viewer.id and ids else set()


async def admits(db: Db, owner_id: UUID, audience: Audience, person_id: UUID) -> bool:
    """Say whether a person is among those to whom another opens something of theirs."""
    if audience == "followed":
        return bool(await store.followed(db, owner_id, [person_id]))
    return audience == "everyone"


async def followers(
    db: Db, user_id: UUID, *, after: Place | None = None, limit: int = 1000
) -> list[Place]:
    """Read some of a person's followers, the latest first, each with the time of the follow."""
    return await store.listed(db, "followers", user_id, after=after, limit=limit)


async def hidden_authors(
    db: Db, viewer: Viewer, author_ids: Collection[UUID], *, muted: bool = True
) -> set[UUID]:
    """Read which of some authors the viewer does not see: blocked either way, or muted."""
    if viewer.id is None or not author_ids:
        return set()
    return await store.hidden(db, viewer.id, author_ids, muted=muted)


async def may_interact(db: Db, viewer: Viewer, author_id: UUID) -> bool:
    """Say whether nothing stands between the viewer and an author: no block, either way."""
    return not await hidden_authors(db, viewer, [author_id], muted=False)


async def followers_page(
    db: Db, viewer: Viewer, username: str, secret: str, query: PeopleQuery
) -> PeoplePage:
    """Read a page of who follows a person.

    Raises:
        NoSuchPerson: there is no such person, or none for this viewer.
        ListPrivate: the person shows the list to nobody else.
        CursorInvalid: the cursor is of another list, or was altered.

    """
    return await _page(db, viewer, "followers", await person_of(db, username), secret, query)


async def following_page(
    db: Db, viewer: Viewer, username: str, secret: str, query: PeopleQuery
) -> PeoplePage:
    """Read a page of whom a person follows. Refused as `followers_page` is."""
    return await _page(db, viewer, "following", await person_of(db, username), secret, query)


async def _page(
    db: Db, viewer: Viewer, side: Side, owner: User, secret: str, query: PeopleQuery
) -> PeoplePage:
    await _check_list(db, viewer, owner)
    after = read_cursor(secret, side, owner.id, query.cursor) if query.cursor else None
    found = await store.listed(db, side, owner.id, after=after, limit=query.limit + 1)
    here = found[: query.limit]
    cursor = write_cursor(secret, side, owner.id, here[-1]) if here else query.cursor
    return PeoplePage(
        items=await _people(db, viewer, [user_id for _, user_id in here]),
        cursor=cursor,
        next_cursor=cursor,
        has_more=len(found) > len(here),
    )


async def _check_list(db: Db, viewer: Viewer, owner: User) -> None:
    if owner.id == viewer.id or viewer.is_admin:
        return
    if owner.state in _GONE or not await may_interact(db, viewer, owner.id):
        raise NoSuchPerson
    if (await users.settings_of(db, [owner.id]))[owner.id].private_follower_lists:
        raise ListPrivate


async def _people(db: Db, viewer: Viewer, ids: Sequence[UUID]) -> list[Person]:
    """Show people; who is gone, or blocked by either, is left out of what the viewer sees."""
    known = await users.by_ids(db, ids)
    hidden = await hidden_authors(db, viewer, ids, muted=False)
    followed_too = await followed(db, viewer, ids)
    return [
        Person(
            user_id, known[user_id].username, known[user_id].display_name, user_id in followed_too
        )
        for user_id in ids
        if user_id in known and user_id not in hidden and known[user_id].state not in _GONE
    ]


async def end_follows(db: Db, user_id: UUID) -> bool:
    """End a batch of the follows of and by a person; False when none is left."""
    ended = await store.some_follows(db, user_id, ENDED_AT_ONCE)
    # In the order of ids, as everybody holds people who holds more than one.
    await store.hold(db, {each for pair in ended for each in pair})
    for follower, followee in ended:
        await _unfollow(db, follower, followee)
    return bool(ended)


async def forget(db: Db, user_id: UUID) -> None:
    """Forget whom a person blocked and muted, and who did so to them."""
    await store.forget(db, user_id)


async def person_of(db: Db, username: str) -> User:
    """Find a person.

    Raises:
        NoSuchPerson: there is none of this name.

    """
    found = await users.by_username(db, username)
    if found is None:
        raise NoSuchPerson
    return found


async def _both(
    db: Db, viewer: Viewer, username: str, *, present: bool = False
) -> tuple[Held, Held]:
    """Hold the viewer and a person, so that what is between them changes in one order."""
    if viewer.id is None:
        raise SignInFirst
    target = await person_of(db, username)
    if target.id == viewer.id:
        raise NotYourself
    held = await store.hold(db, [viewer.id, target.id])
    me, them = held.get(viewer.id), held.get(target.id)
    if me is None or me.state == "deleted":
        raise SignInFirst
    if me.state == "suspended":
        raise NotAllowed("This account is suspended.")
    if them is None or (present and them.state in _GONE):
        raise NoSuchPerson
    return me, them


async def _tie(db: Db, tie: Tie, user_id: UUID, target_id: UUID) -> bool:
    made = await store.tie(db, tie, user_id, target_id)
    if made:
        if await store.size(db, tie, user_id) > MOST_HIDDEN:
            raise TooManyPeople(f"Nobody hides more than {MOST_HIDDEN} people.")
        await _tell(db, _MADE[tie], user_id, target_id)
    return made


async def _untie(db: Db, tie: Tie, user_id: UUID, target_id: UUID) -> None:
    if await store.untie(db, tie, user_id, target_id):
        await _tell(db, _ENDED[tie], user_id, target_id)


async def _unfollow(db: Db, follower: UUID, followee: UUID) -> None:
    if await store.untie(db, "follow", follower, followee):
        await _count(db, follower, followee, -1)
        await _tell(db, Unfollowed, follower, followee)


async def _count(db: Db, follower: UUID, followee: UUID, change: int) -> None:
    for user_id in sorted((follower, followee)):
        if user_id == follower:
            await users.count(db, user_id, following=change)
        else:
            await users.count(db, user_id, followers=change)


async def _tell(db: Db, event: type[GraphChanged], user_id: UUID, target_id: UUID) -> None:
    await outbox.emit(db, event(user_id=user_id, target_id=target_id), key=user_id)


async def counted(db: Db, ids: Collection[UUID]) -> dict[UUID, tuple[int, int]]:
    """Count people's followers and followees from the edges, for who compares."""
    return await store.truth(db, ids)
