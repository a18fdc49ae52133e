"""Access tokens, the CSRF value that goes with them, and who they say is asking.

An access token is believed without a look at the database until it ends, a quarter of an hour
after it was made; so it carries the role. What came between, `outdated` knows.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping, MutableMapping
from datetime import UTC, datetime
from typing import Any, Protocol
from uuid import UUID

import jwt
import msgspec
from msgspec import Struct

from server.kernel.problems import NotAllowed, SignInFirst
from server.kernel.services import Policy
from server.kernel.signing import key_for
from server.kernel.viewer import VISITOR, Viewer
from server.users import GrantedRole

ACCESS_COOKIE = "access"
REFRESH_COOKIE = "refresh"
CSRF_COOKIE = "csrf"
CSRF_HEADER = "x-csrf-token"

SIGN_IN_DOORS = ("/auth/register", "/auth/login", "/auth/refresh", "/auth/logout")

_ALGORITHM = "HS256"
_READS = frozenset({"GET", "HEAD", "OPTIONS"})


class Asks(Protocol):
    """What is looked at of a request."""

    @property
    def method(self) -> str:
        """The method in capitals."""
        ...

    @property
    def scope(self) -> MutableMapping[str, Any]:
        """The ASGI scope, for its path."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers, by names in small letters."""
        ...

    @property
    def cookies(self) -> Mapping[str, str]:
        """The cookies by name."""
        ...


class Claims(Struct, frozen=True):
    """What an access token says."""

    sub: UUID
    role: GrantedRole
    # The family of refresh tokens that it came from.
    sid: UUID
    iat: int
    exp: int


def access_token(policy: Policy, viewer: Viewer, family: UUID, now: datetime) -> str:
    """Make the token by which API and socket know a person until it ends."""
    issued = int(now.timestamp())
    claims = {
        "sub": str(viewer.id),
        "role": viewer.role,
        "sid": str(family),
        "iat": issued,
        "exp": issued + int(policy.access_token_seconds),
    }
    return jwt.encode(claims, key_for(policy.secret, "access"), algorithm=_ALGORITHM)


def read_access_token(policy: Policy, token: str, now: datetime | None = None) -> Claims:
    """Read an access token.

    Raises:
        SignInFirst: we did not make it, or it has ended.

    """
    moment = datetime.now(UTC) if now is None else now
    try:
        # The end is compared below, by the clock that the caller goes by.
        raw = jwt.decode(
            token,
            key_for(policy.secret, "access"),
            algorithms=[_ALGORITHM],
            options={"verify_exp": False, "verify_iat": False},
        )
        claims = msgspec.convert(raw, Claims)
    except (jwt.InvalidTokenError, msgspec.ValidationError) as error:
        raise SignInFirst("The access token is not valid.") from error
    if claims.exp <= moment.timestamp():
        raise SignInFirst("The access token has expired.")
    return claims


def socket_id(family: UUID) -> str:
    """Name the sockets of one sign-in, so that they can be ended together."""
    return f"sessions:{family}"


def identify_request(
    policy: Policy,
    request: Asks,
    now: datetime | None = None,
    *,
    outdated: Callable[[Claims], bool] | None = None,
) -> Viewer:
    """Say who makes a request: by its bearer token, else by its cookie, else a visitor.

    A cookie that is no longer good makes a visitor, so that reading goes on; a bearer token is
    sent on purpose, and a bad one is refused. Not so at the doors of signing in, to which people
    come because their token has ended; those look at where a request comes from instead.

    Raises:
        SignInFirst: the bearer token is not valid, has expired, or is outdated.
        NotAllowed: a cookie signs a write, and the header does not prove that our page sent it.

    """
    signing_in = request.scope["path"].startswith(SIGN_IN_DOORS)
    token = bearer_of(request)
    try:
        claims = read_access_token(policy, token or request.cookies.get(ACCESS_COOKIE, ""), now)
        _check_current(claims, outdated)
    except SignInFirst:
        if token is None or signing_in:
            return VISITOR
        raise
    if token is None and request.method not in _READS and not signing_in:
        _check_csrf(policy, claims.sid, request)
    return Viewer(id=claims.sub, role=claims.role)


def _check_current(claims: Claims, outdated: Callable[[Claims], bool] | None) -> None:
    if outdated is not None and outdated(claims):
        raise SignInFirst("This sign-in has ended, or its role is another: renew the token.")


def bearer_of(request: Asks) -> str | None:
    """Give the bearer token of a request, if it carries one."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def family_of(policy: Policy, request: Asks, now: datetime) -> UUID | None:
    """Give the session that a request's bearer token belongs to, if it carries a good one."""
    token = bearer_of(request)
    try:
        return None if token is None else read_access_token(policy, token, now).sid
    except SignInFirst:
        return None


def csrf_value(policy: Policy, family: UUID) -> str:
    """Give the value that a session's cookie and header must both carry in writes.

    It is derived from the session: a value that another site managed to set does not fit.
    """
    return hmac.new(key_for(policy.secret, "csrf"), family.bytes, hashlib.sha256).hexdigest()[:32]


def _check_csrf(policy: Policy, family: UUID, request: Asks) -> None:
    given = request.headers.get(CSRF_HEADER, "")
    twice = hmac.compare_digest(given.encode(), request.cookies.get(CSRF_COOKIE, "").encode())
    ours = hmac.compare_digest(given.encode(), csrf_value(policy, family).encode())
    if not (twice and ours):
        raise NotAllowed("Send the value of the csrf cookie in X-CSRF-Token with every write.")


def claims_of(policy: Policy, request: Asks, now: datetime) -> Claims:
    """Give what the token of a request says, whether it came by header or by cookie.

    Raises:
        SignInFirst: there is none, or it has ended.

    """
    token = bearer_of(request) or request.cookies.get(ACCESS_COOKIE, "")
    return read_access_token(policy, token, now)


def one_time_token(policy: Policy, token_id: UUID) -> str:
    """Give the secret of a link: always the same for a row, and known to nobody without our key."""
    made = hmac.digest(key_for(policy.secret, "one-time"), token_id.bytes, hashlib.sha256)
    return base64.urlsafe_b64encode(made).rstrip(b"=").decode()


def new_refresh_token() -> str:
    """Make a refresh token: nothing but chance, known to its owner only."""
    return secrets.token_urlsafe(32)


def digest_of(refresh_token: str) -> bytes:
    """Give what is stored of a refresh token."""
    return hashlib.sha256(refresh_token.encode()).digest()
