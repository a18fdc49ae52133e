"""`lumen worker`: the background work of one machine, under one supervisor."""

import os
import sys

import click

from server.cli import given


@click.command()
@click.option(
    "--queues",
    multiple=True,
    type=click.Choice(["ingest", "embed", "mail", "media", "cards", "films"]),
    help="Only a worker of these queues, in this order; without it, everything.",
)
@click.option("--failed", is_flag=True, help="List jobs and events that failed for good, and end.")
@click.option("--retry", is_flag=True, help="Have those tried again, and end.")
def worker(queues: tuple[str, ...], *, failed: bool, retry: bool) -> None:
    """Start the background work: a worker for feeds and embeddings, one for cards, and the pulse.

    The pulse folds counters, relays events and schedules; of several only one works at a time, so
    any number of machines may run this command. Needs DATABASE_URL, REDIS_URL and SECRET_KEY. On
    SIGTERM jobs under way are given a moment; one that is cut off is taken up again elsewhere.
    """
    if failed or retry:
        _dead_letters(retry=retry)
        return
    settings = given.load_settings()
    given.demand(settings, "database_url", "redis_url", "secret_key")
    if queues:
        os.execv(  # noqa: S606 (no shell: the worker takes this process's place)
            sys.executable, [sys.executable, "-m", "jobs", "work", "--queues", *queues]
        )

    import tempfile

    from server.cli.background import background_parts
    from server.cli.console import Console
    from server.cli.supervisor import GaveUpError, Stopped, Supervisor

    with (
        tempfile.TemporaryDirectory(prefix="lumen-metrics-") as folder,
        Supervisor(Console(sys.stderr)) as supervisor,
    ):
        if settings.metrics_port is not None:
            _show_metrics(settings.host, settings.metrics_port, folder)
        try:
            supervisor.start(*background_parts(os.environ), saying="Starting the workers")
            supervisor.watch()
        except Stopped:
            pass
        except GaveUpError as error:
            raise click.ClickException(str(error)) from error
        finally:
            supervisor.stop()


def _show_metrics(host: str, port: int, folder: str) -> None:
    from server.kernel import metrics

    try:
        metrics.listen(host, port, folder)
    except OSError as error:
        given.refuse(f"METRICS_PORT {port} on {host} cannot be used: {error.strerror}.")
    os.environ[metrics.SHARED_FOLDER] = folder


def _dead_letters(*, retry: bool) -> None:
    import asyncio

    settings = given.reachable()
    given.demand(settings, "database_url", "redis_url")
    work = _retry if retry else _list
    asyncio.run(work(settings.database_url or "", settings.redis_url or ""))


async def _retry(database_url: str, redis_url: str) -> None:
    from server.kernel import parked
    from server.kernel.database import Database
    from server.kernel.queue_rq import RqQueue

    jobs = await RqQueue(redis_url).revive()
    database = Database(database_url)
    async with database.begin() as db:
        events = await parked.revive(db)
    await database.close()
    click.echo(f"{jobs} jobs are queued again, and {events} events are tried again.")


async def _list(database_url: str, redis_url: str) -> None:
    from server.kernel import parked
    from server.kernel.database import Database
    from server.kernel.queue_rq import RqQueue

    letters = await RqQueue(redis_url).dead()
    for each in letters:
        when = f"{each.at:%Y-%m-%d %H:%M} UTC" if each.at else "at an unknown time"
        click.echo(f"{each.task} ({each.id}, queue {each.queue}) failed {when}: {each.error}")
    database = Database(database_url)
    async with database.read() as db:
        events = await parked.parked(db)
    await database.close()
    for event in events:
        when = f"{event.at:%Y-%m-%d %H:%M} UTC"
        click.echo(
            f"Event {event.topic} ({event.id}) was parked by {event.group} {when}: {event.error}"
        )
    if not letters and not events:
        click.echo("Nothing has failed for good.")
