"""What the demo content is: feeds that lie here, and people who do not exist."""

import re
import unicodedata
from importlib.resources import files

from msgspec import Struct

# Nobody can have an address here (RFC 2606): it marks the people who come with the demo.
DOMAIN = "demo.lumen.invalid"
_LONGEST_USERNAME = 20


class DemoFeed(Struct, frozen=True):
    """A feed of the demo: the address that its source is known by, and its bytes."""

    url: str
    name: str
    content: bytes


def feeds() -> list[DemoFeed]:
    """Read every demo feed; what is answered stands before what answers it."""
    folder = files("server.demo") / "feeds"
    found = [each for each in folder.iterdir() if not each.name.endswith(".md")]
    found.sort(key=lambda each: (_turn(each.name), each.name))
    return [DemoFeed(f"demo:{each.name}", each.name, each.read_bytes()) for each in found]


def is_talk(name: str) -> bool:
    """Whether a feed holds what people say, so that its authors are people of Lumen."""
    return name.startswith(("posts-", "comments-"))


def username_of(name: str) -> str:
    """Make the username of somebody who comes with the demo."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[:_LONGEST_USERNAME].ljust(3, "_")


def _turn(name: str) -> int:
    return 2 if name.startswith("comments-") else int(name.startswith("posts-"))
