"""Who this server is to push services (RFC 8292), and what a browser says when it subscribes."""

import base64
import binascii
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from msgspec import Struct

from server.kernel.problems import Malformed, NotFound
from server.kernel.services import Policy

LONGEST_ENDPOINT = 1000
GOOD_FOR = timedelta(hours=12)
_SECRET_BYTES = 16


class Keys(Struct, frozen=True):
    """The keys of a browser's subscription, as base64url without padding."""

    p256dh: str
    auth: str


class Subscribe(Struct, frozen=True):
    """A subscription as `PushManager.subscribe` gives it."""

    endpoint: str
    keys: Keys


class Unsubscribe(Struct, frozen=True):
    """The subscription to be forgotten."""

    endpoint: str


class PushKey(Struct, frozen=True):
    """What `PushManager.subscribe` takes as `applicationServerKey`."""

    public_key: str


class Subscribed(Struct, frozen=True):
    """The subscription is kept."""

    id: str


def public_key(policy: Policy) -> str:
    """Give the key by which push services know this server.

    Raises:
        NotFound: it has none.

    """
    point = _private(policy).public_key()
    return _encoded(point.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))


def authorization(policy: Policy, endpoint: str, now: datetime) -> str:
    """Sign a request to a push service."""
    parts = urlsplit(endpoint)
    claims = {
        "aud": f"{parts.scheme}://{parts.netloc}",
        "exp": int((now + GOOD_FOR).timestamp()),
        "sub": policy.vapid_subject,
    }
    token = jwt.encode(claims, _private(policy), algorithm="ES256")
    return f"vapid t={token}, k={public_key(policy)}"


def check(policy: Policy, given: Subscribe) -> tuple[str, bytes, bytes]:
    """Give a subscription's endpoint and keys, read.

    The address behind the endpoint is looked at when something is sent, at each connection anew.

    Raises:
        Malformed: the endpoint is no HTTPS address, or a key is not what it should be.

    """
    try:
        parts = urlsplit(given.endpoint)
        known = bool(parts.hostname) and parts.username is None and (parts.port or 1) > 0
    except ValueError as error:
        raise Malformed("The endpoint cannot be read as an address.") from error
    # In development a push service may run on the machine itself.
    schemes = {"https", "http"} if policy.fetch_private_addresses else {"https"}
    if len(given.endpoint) > LONGEST_ENDPOINT or parts.scheme not in schemes or not known:
        raise Malformed("The endpoint is an https address of a push service.")
    point, secret = _decoded(given.keys.p256dh, "p256dh"), _decoded(given.keys.auth, "auth")
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    except ValueError as error:
        raise Malformed("p256dh is no point of the curve P-256.") from error
    if len(secret) != _SECRET_BYTES:
        raise Malformed(f"auth has {_SECRET_BYTES} bytes.")
    return given.endpoint, point, secret


def _private(policy: Policy) -> ec.EllipticCurvePrivateKey:
    if policy.vapid_private_key is None:
        raise NotFound("This server tells no telephones: it has no VAPID key.")
    number = int.from_bytes(_decoded(policy.vapid_private_key, "VAPID_PRIVATE_KEY"))
    return ec.derive_private_key(number, ec.SECP256R1())


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decoded(text: str, name: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise Malformed(f"{name} is no base64url.") from error
