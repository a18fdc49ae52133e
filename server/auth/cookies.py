"""The cookies of a session, and whose page may ask for them."""

from typing import Any
from urllib.parse import urlsplit

from server.auth import tokens
from server.auth.model import Me, Session, SignedIn
from server.kernel.endpoint import Call
from server.kernel.problems import NotAllowed
from server.kernel.services import Policy
from server.kernel.viewer import Viewer

# The refresh token travels only where it is used.
_PATHS = {tokens.ACCESS_COOKIE: "/", tokens.CSRF_COOKIE: "/", tokens.REFRESH_COOKIE: "/auth"}


def signed_in(call: Call[Any, Any], session: Session) -> SignedIn:
    """Give a session's cookies, and the answer that goes with them."""
    policy = call.services.policy
    viewer = Viewer(session.user.id, session.user.role)
    token = tokens.access_token(policy, viewer, session.family, call.services.clock.now())
    access_seconds = int(policy.access_token_seconds)
    refresh_seconds = int(policy.refresh_token_seconds)
    values = {
        tokens.ACCESS_COOKIE: (token, access_seconds),
        tokens.CSRF_COOKIE: (tokens.csrf_value(policy, session.family), refresh_seconds),
        tokens.REFRESH_COOKIE: (session.refresh_token, refresh_seconds),
    }
    for name, (value, seconds) in values.items():
        cookie = _cookie(policy, name, value, _PATHS[name], seconds)
        call.headers.append(("set-cookie", cookie))
    return SignedIn(user=Me.of(session.user), access_token=token, expires_in=access_seconds)


def take_back(call: Call[Any, Any]) -> None:
    """Take all cookies of a session back."""
    for name in _PATHS:
        call.headers.append(("set-cookie", taken(call.services.policy, name)))


def taken(policy: Policy, name: str) -> str:
    """Give the header that takes one cookie back."""
    return _cookie(policy, name, "", _PATHS[name], 0)


def user_agent(call: Call[Any, Any]) -> str:
    """Give what the client says it is."""
    return call.request.headers.get("user-agent", "")


def _cookie(policy: Policy, name: str, value: str, path: str, seconds: int) -> str:
    # The page reads the CSRF value, and nothing else.
    hidden = "" if name == tokens.CSRF_COOKIE else "; HttpOnly"
    secure = "; Secure" if policy.secure_cookies else ""
    return f"{name}={value}; Path={path}; Max-Age={seconds}; SameSite=Lax{hidden}{secure}"


def check_origin(call: Call[Any, Any]) -> None:
    """Refuse a browser that acts for another site; programs that are no browser send no origin.

    These doors are open while the access cookie has ended, and with it the check of the CSRF
    header; and nobody shall be signed in as somebody else by a page that is not ours.
    """
    headers, policy = call.request.headers, call.services.policy
    origin = headers.get("origin")
    if origin is None:
        ours = headers.get("sec-fetch-site", "none") in {"none", "same-origin"}
    else:
        ours = urlsplit(origin).netloc == headers.get("host")
        ours = ours or origin in {policy.public_url, *policy.allowed_origins}
    if not ours:
        raise NotAllowed("A page of another site cannot sign people in or out.")
