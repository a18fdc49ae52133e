"""People: who they are, and what others may know of them."""

from server.users.actions import (
    by_ids,
    by_username,
    count,
    create,
    credentials,
    forget,
    hold_active,
    of_domain,
    set_password_hash,
    set_role,
)
from server.users.model import (
    Credentials,
    GrantedRole,
    NewUser,
    State,
    User,
    UserExists,
    check_email,
    check_username,
)

__all__ = [
    "Credentials",
    "GrantedRole",
    "NewUser",
    "State",
    "User",
    "UserExists",
    "by_ids",
    "by_username",
    "check_email",
    "check_username",
    "count",
    "create",
    "credentials",
    "forget",
    "hold_active",
    "of_domain",
    "set_password_hash",
    "set_role",
]
