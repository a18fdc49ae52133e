"""Signing in: passwords, tokens, and the families of refresh tokens."""

from server.auth.account import forget_person
from server.auth.actions import (
    GRACE,
    Admission,
    admit,
    check_password,
    end_all,
    forget_ended,
    has_ended,
    me,
    open_session,
    refresh,
    register,
    sign_out,
)
from server.auth.letters import forget_ended as forget_letters
from server.auth.letters import letter_of
from server.auth.letters import sent as letter_sent
from server.auth.letters import unsent as unsent_letters
from server.auth.model import (
    Login,
    Me,
    Registration,
    Session,
    SessionEnded,
    SignedIn,
    WrongCredentials,
)
from server.auth.oidc import Issuer
from server.auth.passwords import hash_password
from server.auth.tasks import LETTER, SendLetter, letter_id
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
    "LETTER",
    "Admission",
    "Claims",
    "Issuer",
    "Login",
    "Me",
    "Registration",
    "SendLetter",
    "Session",
    "SessionEnded",
    "SignedIn",
    "WrongCredentials",
    "access_token",
    "admit",
    "check_password",
    "csrf_value",
    "end_all",
    "forget_ended",
    "forget_letters",
    "forget_person",
    "has_ended",
    "hash_password",
    "identify_request",
    "letter_id",
    "letter_of",
    "letter_sent",
    "me",
    "open_session",
    "read_access_token",
    "refresh",
    "register",
    "sign_out",
    "socket_id",
    "unsent_letters",
]
