"""What a viewer may know of a person, and what people may change about themselves."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from server import graph, posts, uploads, users
from server.kernel import outbox
from server.kernel.database import Db
from server.kernel.exporting import Exporter
from server.kernel.ids import new_id
from server.kernel.problems import CursorInvalid, NotFound, SignInFirst
from server.kernel.services import Policy
from server.kernel.signing import ForgedError, Signer
from server.kernel.storage import Storage
from server.kernel.viewer import Viewer
from server.profiles import store
from server.profiles.events import ExportAsked
from server.profiles.model import (
    ExportShown,
    ExportState,
    FindPeople,
    NoSuchProfile,
    NotReady,
    PeopleFound,
    PersonFound,
    Profile,
    ProfileEdit,
    Relations,
    SettingsEdit,
)
from server.profiles.store import Export
from server.users import Account, AccountSettings, GrantedRole, ProfileChange, User

_HIDDEN = frozenset({"suspended", "deleted"})
KEPT = timedelta(days=7)


async def profile(db: Db, viewer: Viewer, username: str, storage: Storage) -> Profile:
    """Show a person.

    Raises:
        NoSuchProfile: there is none of this name, or they do not want to be seen by this viewer.

    """
    account = await users.account(db, username)
    if account is None:
        raise NoSuchProfile
    user = account.user
    own = user.id == viewer.id
    if not (own or viewer.is_admin) and user.state in _HIDDEN:
        raise NoSuchProfile
    relations = None
    if viewer.id is not None and not own:
        stands = await graph.relation(db, viewer, user.id)
        relations = Relations(stands.following, stands.followed_by, stands.blocking, stands.muting)
        if not (stands.blocking or viewer.is_admin) and not await graph.may_interact(
            db, viewer, user.id
        ):
            raise NoSuchProfile
    return _shown(account, storage, relations)


def _shown(account: Account, storage: Storage, relations: Relations | None) -> Profile:
    user = account.user
    return Profile(
        id=user.id,
        username=user.username,
        display_name=user.display_name,
        role=user.role,
        created_at=user.created_at,
        bio=account.bio,
        links=account.links,
        follower_count=account.follower_count,
        following_count=account.following_count,
        post_count=account.post_count,
        avatar_url=storage.url(account.avatar_key) if account.avatar_key else None,
        viewer=relations,
    )


async def avatar_of(db: Db, viewer: Viewer, key: str, now: datetime) -> str:
    """Give what is shown of a picture that the viewer uploaded. Refused as `uploads.picture_of`."""
    made = await uploads.picture_of(db, viewer, key, now)
    return made.plain.key


async def edit(db: Db, viewer: Viewer, change: ProfileEdit, now: datetime) -> User:
    """Change one's profile. Refused as `users.hold_active` and `users.set_profile` do."""
    user = await users.hold_active(db, viewer)
    avatar = change.avatar
    if isinstance(avatar, str):
        avatar = await avatar_of(db, viewer, avatar, now)
    await users.set_profile(
        db,
        user.id,
        ProfileChange(change.display_name, change.bio, change.links, avatar),
    )
    return user


async def settings(db: Db, viewer: Viewer) -> AccountSettings:
    """Read one's settings.

    Raises:
        SignInFirst: the viewer is not known any more.

    """
    found = await users.settings_of(db, [viewer.id]) if viewer.id else {}
    if viewer.id is None or viewer.id not in found:
        raise SignInFirst
    return found[viewer.id]


async def edit_settings(db: Db, viewer: Viewer, change: SettingsEdit) -> AccountSettings:
    """Change one's settings. Refused as `users.hold_active` does."""
    user = await users.hold_active(db, viewer)
    given: dict[str, Any] = {
        name: value
        for name in SettingsEdit.__struct_fields__
        if (value := getattr(change, name)) is not UNSET
    }
    changed = replace(await settings(db, viewer), **given)
    await users.set_settings(db, user.id, changed)
    return changed


async def find_people(db: Db, viewer: Viewer, policy: Policy, query: FindPeople) -> PeopleFound:
    """Look people up, as an admin.

    Raises:
        NotAllowed: the viewer is no admin.
        CursorInvalid: the cursor is not ours.

    """
    signer = Signer(policy.secret, "people")
    try:
        after = signer.open(query.cursor).decode() if query.cursor else ""
    except ForgedError as error:
        raise CursorInvalid from error
    found = await users.search(db, viewer, query.q, after, query.limit + 1)
    here = found[: query.limit]
    cursor = signer.sign(here[-1].username.lower().encode()) if here else query.cursor
    return PeopleFound([_found(each) for each in here], cursor, cursor, len(found) > query.limit)


def _found(user: User) -> PersonFound:
    return PersonFound(
        id=user.id,
        username=user.username,
        display_name=user.display_name,
        email=user.email,
        email_verified=user.email_verified_at is not None,
        role=user.role,
        state=user.state,
        created_at=user.created_at,
    )


async def set_role(db: Db, viewer: Viewer, username: str, role: GrantedRole, now: datetime) -> User:
    """Give a person a role, as an admin.

    Raises:
        NotAllowed: the viewer is no admin.
        NoSuchProfile: there is nobody of this name.

    """
    found = await users.by_username(db, username)
    if found is None or found.state == "deleted":
        raise NoSuchProfile
    await users.set_role(db, viewer, found.id, role, now)
    return found


async def ask_for_export(db: Db, viewer: Viewer, now: datetime) -> ExportShown:
    """Have a copy of one's data made; while one is being made no other is begun."""
    user = await users.hold_active(db, viewer)
    last = await store.newest(db, user.id)
    if last is not None and last.ready_at is None:
        return _told(last)
    export = Export(new_id(), user.id, now)
    await store.add(db, export)
    await outbox.emit(db, ExportAsked(export.id), key=user.id)
    return _told(export)


async def export_of(db: Db, viewer: Viewer) -> ExportShown:
    """Tell how the last copy that one asked for stands.

    Raises:
        NotFound: none was asked for, or it is gone.

    """
    last = await store.newest(db, viewer.id) if viewer.id else None
    if last is None:
        raise NotFound("You have asked for no copy of your data lately.")
    return _told(last)


async def key_of_export(db: Db, viewer: Viewer, export_id: UUID) -> str:
    """Say where a copy of the viewer's data lies.

    Raises:
        NotFound: there is none, or it is another's.
        NotReady: it is being made.

    """
    export = await store.find(db, export_id)
    if export is None or export.user_id != viewer.id:
        raise NotFound("You have no such archive.")
    if export.storage_key is None:
        raise NotReady
    return export.storage_key


async def archive(
    db: Db, export_id: UUID, exporters: Sequence[Exporter], now: datetime
) -> bytes | None:
    """Write a copy of a person's data; None when it is made already, or not wanted any more."""
    export = await store.find(db, export_id)
    if export is None or export.ready_at is not None:
        return None
    parts = {each.part: await each.run(db, export.user_id) for each in exporters}
    whole = {"made_at": now, "user_id": export.user_id, **parts}
    return msgspec.json.format(msgspec.json.encode(whole), indent=2)


async def archived(db: Db, export_id: UUID, key: str, size: int, now: datetime) -> None:
    """Note where a copy lies."""
    await store.finish(db, export_id, key, size, now)


async def waiting_exports(db: Db, most: int) -> list[UUID]:
    """Read which copies are not made yet: for the sweep, should a queue be lost."""
    return await store.waiting(db, most)


async def forget_exports(db: Db, now: datetime, most: int) -> list[str]:
    """Forget copies after a while; gives the keys of what is to be removed."""
    return await store.forget(db, now - KEPT, most)


def _told(export: Export) -> ExportShown:
    state: ExportState = "waiting" if export.ready_at is None else "ready"
    return ExportShown(export.id, state, export.asked_at, export.size)


async def recount(db: Db, ids: Sequence[UUID]) -> int:
    """Compare people's counts with what they count, and repair; says how many were wrong.

    Whoever follows or posts holds the person's row until their counts are moved; so do we.
    """
    held = [each for each in sorted(ids) if await users.hold(db, each) is not None]
    ties, written = await graph.counted(db, held), await posts.counted(db, held)
    wrong = 0
    for user_id in held:
        followers, following = ties[user_id]
        wrong += await users.set_counts(
            db, user_id, followers=followers, following=following, posts=written[user_id]
        )
    return wrong
