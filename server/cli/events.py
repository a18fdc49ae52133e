"""`lumen events`: how far consumers are behind, and what they could not take."""

from typing import TYPE_CHECKING
from uuid import UUID

import click

if TYPE_CHECKING:
    from server.kernel.database import Db
    from server.kernel.parked import GroupLag, Parked
    from server.kernel.services import Services


@click.group()
def events() -> None:
    """Show what waits in the outbox and what was parked; retry it or drop it.

    Works on DATABASE_URL and REDIS_URL, or on the `lumen dev` that is running.
    """


@events.command()
def lag() -> None:
    """Show for each group how many events it has not taken, and how old the oldest is."""
    from server.cli.acting import act

    for each in act(_lags):
        click.echo(
            f"{each.group}: {each.waiting} waiting, the oldest for {each.oldest_seconds:.1f} s; "
            f"{each.parked} parked"
        )


@events.command()
def parked() -> None:
    """List the events that a group could not take, the latest first."""
    from server.cli.acting import act

    found = act(_parked)
    for each in found:
        click.echo(
            f"{each.id} {each.topic} (key {each.key}) parked by {each.group} "
            f"{each.at:%Y-%m-%d %H:%M} UTC after {each.attempts} attempts: {each.error}"
        )
    if not found:
        click.echo("Nothing is parked.")


@events.command()
@click.argument("ids", nargs=-1, type=click.UUID)
@click.option("--all", "everything", is_flag=True, help="Every event that is parked.")
def retry(ids: tuple[UUID, ...], *, everything: bool) -> None:
    """Have parked events tried again."""
    from functools import partial

    from server.cli.acting import act

    if bool(ids) == everything:
        raise click.UsageError("Name events by their ids, or say --all.")
    count = act(partial(_retry, ids=None if everything else ids))
    click.echo(f"{count} deliveries are tried again.")


@events.command()
@click.argument("ids", nargs=-1, required=True, type=click.UUID)
def drop(ids: tuple[UUID, ...]) -> None:
    """Give parked events up: the groups that could not take them never will."""
    from functools import partial

    from server.cli.acting import act

    count = act(partial(_drop, ids=ids))
    click.echo(f"{count} deliveries were given up.")


async def _lags(services: "Services") -> "list[GroupLag]":
    from server.catalog import REACTIONS
    from server.kernel import parked as parking
    from server.kernel.delivery import Wanted
    from server.kernel.outbox import by_topic

    async with services.database.read() as db:
        return await parking.group_lags(db, Wanted(by_topic(REACTIONS)))


async def _parked(services: "Services") -> "list[Parked]":
    from server.kernel import parked as parking

    async with services.database.read() as db:
        return await parking.parked(db)


async def _retry(services: "Services", *, ids: tuple[UUID, ...] | None) -> int:
    from server.kernel import parked as parking

    async with services.write() as db:
        count = await parking.revive(db, ids)
        await _note(services, db, "events.revive", ids)
    return count


async def _drop(services: "Services", *, ids: tuple[UUID, ...]) -> int:
    from server.kernel import parked as parking

    async with services.write() as db:
        count = await parking.drop(db, ids)
        await _note(services, db, "events.drop", ids)
    return count


async def _note(services: "Services", db: "Db", action: str, ids: tuple[UUID, ...] | None) -> None:
    from server import audit
    from server.audit import Deed
    from server.cli.acting import OPERATOR

    which = {"ids": "all" if ids is None else [str(each) for each in ids]}
    deed = Deed(action=action, target_kind="outbox", target_id="parked", after=which)
    await audit.record(db, OPERATOR, deed, services.clock.now())
