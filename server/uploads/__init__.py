"""Pictures that people upload: a signed link to the storage, and whose they are."""

from server.uploads.actions import accepted, sign
from server.uploads.model import NotYours, Signed, SignUpload

__all__ = ["NotYours", "SignUpload", "Signed", "accepted", "sign"]
