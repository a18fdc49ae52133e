"""Signing a link for an upload, and looking at what came of it."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import PurePosixPath

from server.kernel.ids import new_id
from server.kernel.problems import SignInFirst
from server.kernel.storage import Storage
from server.kernel.viewer import Viewer
from server.uploads.model import (
    HEAD_BYTES,
    LIFETIME,
    NotYours,
    Signed,
    SignUpload,
    is_of,
    key_of,
    looks_like,
)


def sign(storage: Storage, viewer: Viewer, asked: SignUpload, now: datetime) -> Signed:
    """Give a link that takes exactly what was asked for.

    Raises:
        SignInFirst: the viewer is a visitor.

    """
    if viewer.id is None:
        raise SignInFirst
    key = key_of(viewer.id, new_id(), asked.mime)
    link = storage.upload_url(key, mime=asked.mime, size=asked.size, lifetime=LIFETIME)
    return Signed(key=key, upload_url=link, expires_at=now + LIFETIME)


async def accepted(storage: Storage, viewer: Viewer, keys: Sequence[str]) -> None:
    """Look that uploads are the viewer's own, are there, and begin as their type does.

    Raises:
        SignInFirst: the viewer is a visitor.
        NotYours: one is not.

    """
    if viewer.id is None:
        raise SignInFirst
    for key in keys:
        if not is_of(key, viewer.id):
            raise NotYours("Upload the picture first, and name it by the key you were given.")
        try:
            head = (await storage.get(key))[:HEAD_BYTES]
        except KeyError:
            raise NotYours("The picture has not been uploaded.") from None
        if not looks_like(PurePosixPath(key).suffix, head):
            raise NotYours("What was uploaded is no picture of that type.")
