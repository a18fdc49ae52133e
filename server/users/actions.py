"""What can be done with people, and what others may read of them."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from msgspec import UNSET, to_builtins
from msgspec.structs import replace

from server import audit
from server.audit import Deed
from server.kernel import outbox
from server.kernel.database import Db
from server.kernel.ids import new_id
from server.kernel.problems import NotAllowed, NotFound, SignInFirst
from server.kernel.viewer import Viewer
from server.users import departures, store
from server.users.events import AuthorityChanged, UserDeleted, UserErased, UserRestored
from server.users.looks import look
from server.users.model import (
    HOUSE_LOOKS,
    Account,
    AccountSettings,
    Credentials,
    GrantedRole,
    LooksLikeAnother,
    NewUser,
    ProfileChange,
    State,
    User,
    UserExists,
    check_bio,
    check_display_name,
    check_email,
    check_links,
    check_username,
)

# For how long somebody who had their account deleted may change their mind.
COME_BACK_WITHIN = timedelta(days=30)


async def create(db: Db, viewer: Viewer, new: NewUser) -> User:
    """Take a person in; whoever is no admin can only make ordinary users of ordinary names.

    Raises:
        Malformed: a name or the address cannot be used.
        NotAllowed: a role other than `user` is asked for by somebody who may not give it.
        UserExists: the name or the address is in use.

    """
    if new.role != "user" and not viewer.is_admin:
        raise NotAllowed("Only an admin gives roles.")
    checked = replace(
        new,
        username=check_username(new.username, for_the_house=viewer.is_admin),
        email=check_email(new.email),
    )
    shown = check_display_name(new.display_name or new.username)
    if await departures.is_retired(db, checked.username):
        raise UserExists
    user = await store.insert(db, new_id(), checked, shown)
    if user is None:
        # Not which of the two: a stranger must not learn whose addresses are known here.
        raise UserExists
    return user


async def by_ids(db: Db, ids: Collection[UUID]) -> dict[UUID, User]:
    """Read people for the server's own use; what is shown of them is chosen by who shows it."""
    return await store.by_ids(db, ids)


async def by_username(db: Db, username: str) -> User | None:
    """Read a person by username, for the server's own use."""
    return await store.by_username(db, username)


async def by_usernames(db: Db, usernames: Collection[str]) -> list[User]:
    """Read the people of some usernames, for the server's own use; in one query."""
    return await store.by_usernames(db, usernames)


async def credentials(db: Db, login: str) -> Credentials | None:
    """Read what a sign-in by this username or address is compared with."""
    return await store.credentials(db, login.strip())


async def credentials_of(db: Db, user_id: UUID) -> Credentials | None:
    """Read what is compared when a person confirms what they ask for."""
    return await store.credentials_of(db, user_id)


async def by_email(db: Db, email: str) -> User | None:
    """Read a person by address, for the server's own use."""
    return await store.by_email(db, email.strip())


async def confirm_email(db: Db, user_id: UUID, email: str, now: datetime) -> bool:
    """Give a person an address that was shown to reach them; False when somebody else has it."""
    return await store.confirm_email(db, user_id, email, now)


async def account(db: Db, username: str) -> Account | None:
    """Read all that a person's profile is made of, for who shows it."""
    return await store.account(db, username)


async def settings_of(db: Db, ids: Collection[UUID]) -> dict[UUID, AccountSettings]:
    """Read what people decided about their accounts."""
    return await store.settings_of(db, ids)


async def set_settings(db: Db, user_id: UUID, settings: AccountSettings) -> None:
    """Keep what a person decided; what is as by default is not kept."""
    await store.change(db, user_id, {"settings": to_builtins(settings)})


async def set_profile(db: Db, user_id: UUID, change: ProfileChange) -> None:
    """Change what a person tells of themselves; what is not given stays.

    Raises:
        Malformed: something has not the form that it must have.
        LooksLikeAnother: the name reads as somebody else's username.

    """
    fields: dict[str, Any] = {}
    if change.display_name is not UNSET:
        fields["display_name"] = await _own_name(db, user_id, change.display_name)
    if change.bio is not UNSET:
        fields["bio"] = check_bio(change.bio)
    if change.links is not UNSET:
        fields["links"] = list(check_links(change.links))
    if change.avatar_key is not UNSET:
        fields["avatar_key"] = change.avatar_key
    if fields:
        await store.change(db, user_id, fields)


async def _own_name(db: Db, user_id: UUID, name: str) -> str:
    shown = check_display_name(name)
    seen = look(shown)
    if seen in HOUSE_LOOKS or (seen and await store.looks_like(db, seen, user_id)):
        raise LooksLikeAnother
    return shown


async def search(db: Db, viewer: Viewer, begins: str, after: str, most: int) -> list[User]:
    """Find people by the beginning of a name, or by their address.

    Raises:
        NotAllowed: the viewer is no admin.

    """
    if not viewer.is_admin:
        raise NotAllowed("Only an admin looks people up.")
    return await store.search(db, begins.strip(), after, most)


async def hold_active(db: Db, viewer: Viewer) -> User:
    """Let the viewer write one thing at a time, and only while the account is in order.

    Raises:
        SignInFirst: the viewer is a visitor, or is no longer known.
        NotAllowed: the account is suspended.

    """
    user = await store.hold(db, viewer.id) if viewer.id else None
    if user is None or user.state == "deleted":
        raise SignInFirst
    if user.state == "suspended":
        raise NotAllowed("This account is suspended.")
    return user


async def set_password_hash(db: Db, user_id: UUID, password_hash: str) -> None:
    """Replace the hash of a person's password, for instance by one of a newer kind."""
    await store.set_password_hash(db, user_id, password_hash)


async def set_role(db: Db, viewer: Viewer, user_id: UUID, role: GrantedRole, now: datetime) -> None:
    """Give a person a role.

    Raises:
        NotAllowed: the viewer is no admin.
        NotFound: there is no such person.

    """
    if not viewer.is_admin:
        raise NotAllowed("Only an admin gives roles.")
    before = await store.hold(db, user_id)
    if before is None or not await store.set_role(db, user_id, role):
        raise NotFound("There is no such person.")
    await _tell_authority(db, user_id)
    deed = Deed(
        action="user.role",
        target_kind="user",
        target_id=str(user_id),
        before={"role": before.role},
        after={"role": role},
    )
    await audit.record(db, viewer, deed, now)


async def hold(db: Db, user_id: UUID) -> User | None:
    """Read a person and keep others from changing their account until the end."""
    return await store.hold(db, user_id)


async def set_state(db: Db, user_id: UUID, state: State) -> None:
    """Set the state of an account; who may decide that is checked by who calls."""
    await store.set_state(db, user_id, state)
    await _tell_authority(db, user_id)


async def changed_within(db: Db, within: timedelta, most: int) -> list[User]:
    """Read whose role or state changed lately: what older access tokens do not know."""
    return await store.changed_within(db, within, most)


async def _tell_authority(db: Db, user_id: UUID) -> None:
    await outbox.emit(db, AuthorityChanged(user_id), key=user_id)


async def leave(db: Db, user_id: UUID, now: datetime) -> None:
    """Let a person go: nobody sees them any more, and after a while they are erased."""
    if await departures.leave(db, user_id, now):
        await outbox.emit(db, UserDeleted(user_id), key=user_id)
        await _tell_authority(db, user_id)


async def restore(db: Db, user_id: UUID) -> None:
    """Take a person back who was about to go."""
    if await departures.restore(db, user_id):
        await outbox.emit(db, UserRestored(user_id), key=user_id)
        await _tell_authority(db, user_id)


async def leaving(db: Db, now: datetime, most: int) -> list[UUID]:
    """Read who left so long ago that they are to be erased."""
    return await departures.leaving_since(db, now - COME_BACK_WITHIN, most)


async def erase(db: Db, user_id: UUID, now: datetime) -> None:
    """Erase what is personal of somebody who left and did not come back in time.

    The row stays, without a name, for what others wrote in answer; the name is given to nobody.
    """
    if await departures.erase(db, user_id, now - COME_BACK_WITHIN, now):
        await outbox.emit(db, UserErased(user_id), key=user_id)


async def of_role(db: Db, role: GrantedRole) -> list[UUID]:
    """Read the ids of everybody who has a role."""
    return await store.of_role(db, role)


async def of_domain(db: Db, domain: str) -> list[UUID]:
    """Read the ids of everybody whose address is at a domain."""
    return await store.of_domain(db, domain)


async def forget(db: Db, ids: Collection[UUID]) -> None:
    """Remove people of whom nothing is left: who has written anything cannot be removed."""
    await store.forget(db, ids)


async def count(
    db: Db, user_id: UUID, *, followers: int = 0, following: int = 0, posts: int = 0
) -> None:
    """Move the counts of a person's profile, in the transaction that changes what they count.

    It holds the person's row until the end: who counts for two does it in the order of their ids.
    """
    await store.count(db, user_id, followers=followers, following=following, posts=posts)


async def sample(db: Db, begin: UUID, most: int) -> list[UUID]:
    """Choose people for a recount: some, from an id on."""
    return await store.sample(db, begin, most)


async def set_counts(db: Db, user_id: UUID, *, followers: int, following: int, posts: int) -> bool:
    """Set a person's counts to what was counted while they were held; False if they were right."""
    return await store.set_counts(db, user_id, followers, following, posts)
