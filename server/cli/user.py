"""`lumen user`: people."""

import secrets
import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from server.kernel.services import Services
    from server.users import GrantedRole, User

_LEAST_PASSWORD = 8
_ROLES = ("user", "creator", "admin")


@click.group()
def user() -> None:
    """Add people.

    Works on DATABASE_URL and REDIS_URL, or on the `lumen dev` that is running.
    """


@user.command()
@click.argument("name")
@click.option("--role", type=click.Choice(_ROLES), default="user", help="What they may do.")
@click.option("--email", help="Their address; NAME@lumen.invalid without one.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
def add(name: str, role: "GrantedRole", email: str | None, *, password_stdin: bool) -> None:
    """Add NAME, or give NAME another role. The first admin is made this way.

    Asks for a password at a terminal; elsewhere, without --password-stdin, it makes one and
    prints it.
    """
    from functools import partial

    from server.cli.acting import act

    if act(partial(_give_role, name=name, role=role)):
        click.echo(f"{name} was there already and is {role} now.")
        return
    password = _password(from_stdin=password_stdin)
    made = secrets.token_urlsafe(12) if password is None else None
    new = (name, role, email or f"{name}@lumen.invalid", password or made or "")
    added = act(partial(_create, new=new))
    click.echo(f"Added {added.username} ({added.role}).")
    if made is not None:
        click.echo(f"Password: {made}")


def _password(*, from_stdin: bool) -> str | None:
    if from_stdin:
        given = sys.stdin.readline().rstrip("\n")
    elif sys.stdin.isatty():
        given = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    else:
        return None
    if len(given) < _LEAST_PASSWORD:
        raise click.UsageError(f"A password has {_LEAST_PASSWORD} characters or more.")
    return str(given)


async def _give_role(services: "Services", *, name: str, role: "GrantedRole") -> bool:
    from server import users
    from server.cli.acting import OPERATOR

    async with services.write() as db:
        found = await users.by_username(db, name)
        if found is not None:
            await users.set_role(db, OPERATOR, found.id, role, services.clock.now())
    return found is not None


async def _create(services: "Services", *, new: "tuple[str, GrantedRole, str, str]") -> "User":
    from server import audit, users
    from server.audit import Deed
    from server.auth import hash_password
    from server.cli.acting import OPERATOR

    name, role, email, password = new
    hashed = await hash_password(password)
    async with services.write() as db:
        made = await users.create(
            db,
            OPERATOR,
            users.NewUser(username=name, email=email, password_hash=hashed, role=role),
        )
        deed = Deed(
            action="user.add",
            target_kind="user",
            target_id=str(made.id),
            after={"username": made.username, "role": made.role},
        )
        await audit.record(db, OPERATOR, deed, services.clock.now())
    return made
