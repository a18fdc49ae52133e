"""Signed bytes that come back from clients: cursors, links. One key for each purpose."""

import base64
import binascii
import hashlib
import hmac

SIGNATURE_BYTES = 16


class ForgedError(ValueError):
    """The bytes were not signed by us for this purpose."""


def key_for(secret: str, purpose: str) -> bytes:
    """Derive the key of one purpose, so that nothing signed for one serves another."""
    return hmac.digest(secret.encode(), b"lumen/" + purpose.encode(), hashlib.sha256)


class Signer:
    """Signs for one purpose; signatures are 16 bytes of HMAC-SHA256."""

    def __init__(self, secret: str, purpose: str) -> None:
        self._key = key_for(secret, purpose)

    def sign(self, body: bytes) -> str:
        """Give body and signature as URL-safe text without padding."""
        signed = body + self._signature(body)
        return base64.urlsafe_b64encode(signed).rstrip(b"=").decode()

    def open(self, signed: str) -> bytes:
        """Give the body back.

        Raises:
            ForgedError: the text was altered, cut, or made by somebody else.

        """
        try:
            raw = base64.b64decode(signed + "=" * (-len(signed) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError) as error:
            raise ForgedError from error
        body, signature = raw[:-SIGNATURE_BYTES], raw[-SIGNATURE_BYTES:]
        if not hmac.compare_digest(self._signature(body), signature):
            raise ForgedError
        # Base64 has spare bits: only the one spelling that we write is taken.
        if self.sign(body) != signed:
            raise ForgedError
        return body

    def _signature(self, body: bytes) -> bytes:
        return hmac.digest(self._key, body, hashlib.sha256)[:SIGNATURE_BYTES]
