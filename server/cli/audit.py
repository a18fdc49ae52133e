"""`lumen audit`: the book of what was done to run the house."""

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from server.audit import Verified
    from server.kernel.services import Services


@click.group()
def audit() -> None:
    """Verify the audit log.

    Works on DATABASE_URL and REDIS_URL, or on the `lumen dev` that is running.
    """


@audit.command()
def verify() -> None:
    """Follow the log from its beginning, and tell the first entry that somebody changed.

    The digest that it ends with can be kept elsewhere: as long as an entry still has it, nothing
    before that entry was changed.
    """
    from server.cli.acting import act

    verified = act(_verify)
    if verified.broken is not None:
        broken = verified.broken
        raise click.ClickException(
            f"Entry {broken.seq} is broken: {broken.what}. The {verified.entries} before it fit."
        )
    click.echo(f"All {verified.entries} entries fit. The last has the digest {verified.head}.")


async def _verify(services: "Services") -> "Verified":
    from server import audit as book

    async with services.database.read() as db:
        return await book.verify(db)
