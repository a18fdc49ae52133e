"""A place in a feed as a reader carries it: opaque, signed, always of one size."""

import struct
from uuid import UUID

from msgspec import Struct

from server.feed.model import FeedName
from server.kernel.problems import CursorInvalid
from server.kernel.signing import ForgedError, Signer
from server.kernel.viewer import Viewer

_LAYOUT = struct.Struct("!BB16sII16s")
_VERSION = 1
_CODES: dict[FeedName, int] = {"news": 1, "foryou": 2}
_NOBODY = UUID(int=0)


class Cursor(Struct, frozen=True):
    """After which seq of which session's ledger a reader is, and whose place it is."""

    feed: FeedName
    session: UUID
    epoch: int
    seq: int
    # None: of a visitor, who may since have signed in.
    owner: UUID | None = None


class Cursors:
    """Writes cursors and reads them back."""

    def __init__(self, secret: str) -> None:
        self._signer = Signer(secret, "cursor")

    def write(self, cursor: Cursor) -> str:
        """Give the cursor as text of 78 characters."""
        owner = cursor.owner or _NOBODY
        body = _LAYOUT.pack(
            _VERSION,
            _CODES[cursor.feed],
            cursor.session.bytes,
            cursor.epoch,
            cursor.seq,
            owner.bytes,
        )
        return self._signer.sign(body)

    def read(self, text: str, feed: FeedName, viewer: Viewer) -> Cursor:
        """Read a cursor that this viewer may use in this feed.

        Raises:
            CursorInvalid: it was forged, or belongs to another feed or another reader.

        """
        try:
            version, code, session, epoch, seq, owner = _LAYOUT.unpack(self._signer.open(text))
        except (ForgedError, struct.error) as error:
            raise CursorInvalid from error
        if version != _VERSION or code != _CODES[feed]:
            raise CursorInvalid(f"The cursor is of another feed than {feed}.")
        owned = UUID(bytes=owner)
        if owned not in {_NOBODY, viewer.id}:
            raise CursorInvalid("The cursor is of another reader.")
        # A visitor who signed in keeps the place, and from now on it is theirs.
        return Cursor(feed, UUID(bytes=session), epoch, seq, viewer.id)
