"""What a person is, and the rules for names and addresses."""

import re
import unicodedata
from datetime import datetime
from typing import Literal, TypeAlias
from urllib.parse import urlsplit
from uuid import UUID

from msgspec import UNSET, Struct, UnsetType

from server.kernel import writing
from server.kernel.problems import Conflict, Malformed
from server.users.looks import look

GrantedRole: TypeAlias = Literal["user", "creator", "admin"]
State: TypeAlias = Literal["active", "shadowbanned", "suspended", "deleted"]
# `followed`: those whom the person follows.
Audience: TypeAlias = Literal["everyone", "followed", "nobody"]

_USERNAME = re.compile(r"[A-Za-z0-9_]{3,20}")
# No attempt at RFC 5322: whether an address works is only known by writing to it.
_EMAIL = re.compile(r"[^@\s,;<>\"]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
_MOST_EMAIL = 254
_MOST_DISPLAY_NAME = 50
MOST_BIO = 300
MOST_LINKS = 5
MOST_LINK = 200
_HOST = re.compile(r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]")

# Names that a path or a reader could take for the house itself.
RESERVED = frozenset(
    """
    about abuse account admin administrator anonymous api app auth billing blog bookmarks
    contact deleted docs editor editors feed feeds foryou guest health healthz help home hub
    info inbox item items legal login logout lumen mail me media metrics moderator mods news
    nobody notifications null official openapi operator owner password policy postmaster
    privacy profile readyz register root search security self settings share signin signout
    signup socket source sources staff static status support system team terms trending
    undefined upload uploads user users visitor webmaster www you
    """.split()  # noqa: SIM905 - a column of words reads better than a list of strings
)


_LOOKS_RESERVED = frozenset(look(name) for name in RESERVED)
# What a display name must not read as; the other reserved names are words like any other.
HOUSE_LOOKS = frozenset(
    look(name) for name in ("admin", "administrator", "lumen", "moderator", "official", "staff")
)


class UserExists(Conflict):
    """That username or e-mail address is already in use."""


class LooksLikeAnother(Conflict):
    """That name reads as somebody else's username."""


class ProfileChange(Struct, frozen=True):
    """What of a profile is to be another from now on."""

    display_name: str | UnsetType = UNSET
    bio: str | UnsetType = UNSET
    links: list[str] | UnsetType = UNSET
    avatar_key: str | UnsetType | None = UNSET


class User(Struct, frozen=True):
    """A person, with what only they and the house may know."""

    id: UUID
    username: str
    email: str
    display_name: str
    role: GrantedRole
    state: State
    created_at: datetime
    email_verified_at: datetime | None = None
    # When the person asked to be deleted; until it is done they may come back.
    deleted_at: datetime | None = None


class AccountSettings(Struct, frozen=True, omit_defaults=True):
    """What a person decides about their account."""

    # Only the person themselves sees whom they follow, and who follows them.
    private_follower_lists: bool = False
    who_may_comment: Audience = "everyone"
    who_may_mention: Audience = "everyone"
    # Others see what the person likes.
    public_likes: bool = False


class Account(Struct, frozen=True):
    """A person with all that their profile is made of."""

    user: User
    bio: str
    links: tuple[str, ...]
    avatar_key: str | None
    settings: AccountSettings
    follower_count: int
    following_count: int
    post_count: int


class Credentials(Struct, frozen=True):
    """What is compared when somebody signs in."""

    user: User
    password_hash: str | None


class NewUser(Struct, frozen=True, kw_only=True):
    """A person who is about to be."""

    username: str
    email: str
    password_hash: str | None
    display_name: str | None = None
    role: GrantedRole = "user"


def check_username(username: str, *, for_the_house: bool = False) -> str:
    """Give the username back if it may be one.

    Raises:
        Malformed: it has another form, or is kept for the house.

    """
    if not _USERNAME.fullmatch(username):
        raise Malformed("A username has 3 to 20 characters out of a-z, 0-9 and _.")
    house = username.lower() in RESERVED or look(username) in _LOOKS_RESERVED
    if not username.strip("_") or (house and not for_the_house):
        raise Malformed(f"{username} is not free to be taken as a username.")
    return username


def check_email(email: str) -> str:
    """Give the address back without blanks around it, if it has the form of one.

    Raises:
        Malformed: it does not; the address itself is not repeated, since refusals are logged.

    """
    trimmed = email.strip()
    if len(trimmed) > _MOST_EMAIL or not _EMAIL.fullmatch(trimmed):
        raise Malformed("That does not look like an e-mail address.")
    return trimmed


def check_bio(bio: str) -> str:
    """Give what somebody says of themselves as it is kept.

    Raises:
        Malformed: it is longer than it may be.

    """
    kept = writing.clean(bio)
    if not writing.fits(kept, MOST_BIO):
        raise Malformed(f"A bio has at most {MOST_BIO} characters.")
    return kept


def check_links(links: list[str]) -> tuple[str, ...]:
    """Give the addresses that a profile leads to, each once.

    Raises:
        Malformed: they are too many, or one is no https address of a public name.

    """
    kept = tuple(dict.fromkeys(link.strip() for link in links))
    if len(kept) > MOST_LINKS:
        raise Malformed(f"A profile has at most {MOST_LINKS} links.")
    for link in kept:
        _check_link(link)
    return kept


def _check_link(link: str) -> None:
    try:
        parts = urlsplit(link)
        named = parts.hostname is not None and _HOST.fullmatch(parts.hostname) is not None
        plain = parts.username is None and parts.password is None and parts.port is None
    except ValueError:
        named = plain = False
        parts = urlsplit("")
    # isprintable also refuses blanks of all kinds, which no address holds.
    whole = link.isprintable() and " " not in link and len(link) <= MOST_LINK
    if parts.scheme != "https" or not (named and plain and whole):
        raise Malformed("A link is an https address such as https://example.org/me.")


def check_display_name(name: str) -> str:
    """Give the name to show, normalised and without blanks around it.

    Raises:
        Malformed: it is empty, too long, or holds characters that cannot be seen.

    """
    shown = unicodedata.normalize("NFC", " ".join(name.split()))
    if not 1 <= len(shown) <= _MOST_DISPLAY_NAME:
        raise Malformed(f"A display name has 1 to {_MOST_DISPLAY_NAME} characters.")
    # Cc, Cf, Co and the like: a name must not turn the text around it, or hide in it.
    if any(unicodedata.category(character).startswith("C") for character in shown):
        raise Malformed("A display name holds only characters that can be seen.")
    return shown
