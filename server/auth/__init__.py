"""Signing in: passwords, tokens, and the families of refresh tokens."""

from server.auth.actions import (
    GRACE,
    check_password,
    forget_ended,
    end_all,
    has_ended,
    me,
    open_session,
    refresh,
    register,
    sign_out,
)
from server.auth.model import (
    Login,
    Me,
    Registration,
    Session,
    SessionEnded,
    SignedIn,
    WrongCredentials,
)
from server.auth.passwords import hash_password
from server.auth.tokens import (
    Claims,
    access_token,
    csrf_value,
    identify_request,
    read_access_token,
    socket_id,
)

__all__ = [
    "GRACE",
    "Claims",
    "Login",
    "Me",
    "Registration",
    "Session",
    "SessionEnded",
    "SignedIn",
    "WrongCredentials",
    "access_token",
    "check_password",
    "csrf_value",
    "forget_ended",
    "end_all",
    "has_ended",
    "hash_password",
    "identify_request",
    "me",
    "open_session",
    "read_access_token",
    "refresh",
    "register",
    "sign_out",
    "socket_id",
]
