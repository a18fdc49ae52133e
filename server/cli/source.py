"""`lumen source`: what is ingested."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import click

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

    from server.items import Health
    from server.sources import Source


@click.group()
def source() -> None:
    """Add, list and refresh what is ingested.

    Works on DATABASE_URL and REDIS_URL, or on the `lumen dev` that is running.
    """


@source.command()
@click.argument("what", metavar="URL|FILE|OPML")
@click.option("--title", help="What to call it; its own title by default.")
@click.option("--category", help="Which topic it belongs to.")
def add(what: str, title: str | None, category: str | None) -> None:
    """Add a feed by its address, a feed from a file, or all feeds of an OPML list.

    RSS, Atom and JSON Feed. An address is asked at once, and then as often as it publishes; this
    command waits to tell how the first time went. A file is read once.
    """
    if what.startswith(("http://", "https://")):
        _add_address(what, title, category)
    elif Path(what).is_file():
        _add_file(Path(what), title)
    else:
        raise click.UsageError(
            f"{what!r} is neither an address (http://, https://) nor a file that exists."
        )


def _add_address(url: str, title: str | None, category: str | None) -> None:
    from server.cli import sourcing
    from server.cli.acting import act
    from server.sources import NewSource

    new = NewSource(url=url, title=title, category=category)
    added = act(lambda services: sourcing.add_address(services, new))
    click.echo(f"Added {added.title} ({added.id}): {how_it_went(added)}.")


def _add_file(path: Path, title: str | None) -> None:
    from server.cli import sourcing
    from server.cli.acting import act

    if path.stat().st_size > sourcing.LARGEST_FILE_BYTES:
        raise click.UsageError(f"{path} is larger than {sourcing.LARGEST_FILE_BYTES} bytes.")
    content = path.read_bytes()
    feeds = sourcing.feeds_of(content)
    if feeds is None:
        address = path.resolve().as_uri()
        added = act(lambda services: sourcing.add_file(services, address, content, title))
        click.echo(f"Added {added.title} ({added.id}); a worker takes its items in.")
        return
    taken = act(lambda services: sourcing.add_list(services, feeds))
    for each in taken.added:
        click.echo(f"Added {each.title} ({each.id}).")
    click.echo(f"{len(taken.added)} added, {taken.known} known already. They are asked now.")


@source.command()
@click.argument("url")
def preview(url: str) -> None:
    """Show what an address would bring, without adding it.

    Also the address of a web page will do: the feed that it names is found.
    """
    from server.cli import sourcing
    from server.cli.acting import act

    found = act(lambda services: sourcing.preview(services, url))
    if found.error is not None:
        raise click.ClickException(found.error)
    click.echo(f"{found.title or found.url} ({found.kind}): {found.count} entries at {found.url}")
    for each in found.entries:
        name = each.title or each.text
        click.echo(f"  {each.published_at:%Y-%m-%d %H:%M}  {each.type:8}  {name[:80]}")
    for other in found.others:
        click.echo(f"The page names also {other}")


@source.command()
@click.argument("source_id", metavar="ID", type=click.UUID)
def show(source_id: UUID) -> None:
    """Show how a source fares: its fetches, why they failed, how fresh its items are."""
    from server.cli import sourcing
    from server.cli.acting import act

    for line in told(act(lambda services: sourcing.health(services, source_id))):
        click.echo(line)


@source.command()
@click.argument("file", type=click.File("wb"), default="-")
def export(file: "IO[bytes]") -> None:
    """Write all sources as an OPML list, to a file or to the terminal."""
    from server.cli import sourcing
    from server.cli.acting import act

    file.write(act(sourcing.as_opml))


@source.command(name="list")
def list_() -> None:
    """List the sources: how many items each has brought, and how its last refresh went."""
    from server.cli import sourcing
    from server.cli.acting import act

    found = act(sourcing.every)
    for each in found:
        click.echo(f"{each.id}  {each.title}: {each.item_count} items, {how_it_went(each)}")
        click.echo(f"{'':36}  {each.url}")
    if not found:
        click.echo("No sources yet: lumen source add URL")


@source.command()
@click.argument("source_id", metavar="[ID]", type=click.UUID, required=False)
@click.option("--all", "everything", is_flag=True, help="All that are asked at all.")
def refresh(source_id: UUID | None, *, everything: bool) -> None:
    """Have one source asked now, or all of them."""
    if (source_id is None) != everything:
        raise click.UsageError("Give the ID of one source (see `lumen source list`), or --all.")
    from server.cli import sourcing
    from server.cli.acting import act

    count = act(partial(sourcing.refresh, source_id=source_id))
    click.echo(f"{count} {'source is' if count == 1 else 'sources are'} asked now.")


def told(health: "Health") -> "Iterator[str]":
    """Tell of a source's health, line by line."""
    yield f"{health.title} ({health.kind}, {health.host})"
    yield f"  {health.url}"
    if health.notice is not None:
        yield f"  asked no more: {health.notice}"
    elif health.enabled:
        yield f"  asked again at {health.next_check_at:%Y-%m-%d %H:%M} UTC"
    if health.last_error is not None:
        yield f"  failed {health.error_count} times in a row: {health.last_error}"
    if health.pushes is not None:
        yield f"  its hub {health.pushes.hub}: {health.pushes.state}"
    yield f"  {health.item_count} items, {health.weekly} in the last week"
    for each in health.stages:
        if each.count and each.p50 is not None:
            spans = f"p50 {each.p50:.1f} s, p95 {each.p95:.1f} s, p99 {each.p99:.1f} s"
            yield f"  {each.stage:9} {spans} of {each.count}"
    for fetch in health.fetches:
        words = fetch.reason or f"{fetch.new_items} new, {fetch.edited_items} edited"
        yield f"  {fetch.at:%Y-%m-%d %H:%M}  {fetch.outcome:9} {fetch.status or '-'}  {words}"


def how_it_went(source: "Source") -> str:
    """Tell of a source's last refresh in a few words."""
    if source.notice is not None:
        return f"asked no more: {source.notice}"
    if source.last_error is not None:
        return f"failed: {source.last_error} (tried again at {source.next_check_at:%H:%M} UTC)"
    if source.last_success_at is not None:
        return f"read at {source.last_success_at:%Y-%m-%d %H:%M} UTC"
    return "not asked yet" if source.enabled else "read from a file"
