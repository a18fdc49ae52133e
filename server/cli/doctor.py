"""`lumen doctor`: what is wrong, and what to do."""

from collections.abc import Iterator

import click

from server import settings as lumen_settings
from server.cli import given
from server.cli.checkup import machine, stores
from server.cli.checkup.finding import Finding, Level, fine, mind, wrong
from server.settings import Settings, SettingsError


@click.command()
def doctor() -> None:
    """Say what is wrong and what to do: machine, installation, settings, databases, tables.

    Changes nothing. Looks at DATABASE_URL and REDIS_URL, or at the `lumen dev` that is running.
    Ends with 1 when something is wrong.
    """
    findings = []
    for finding in examine():
        findings.append(finding)
        click.echo(f"{finding.level.value:>6}  {finding.what}")
        if finding.advice:
            click.echo(f"        -> {finding.advice}")
    count = sum(finding.level is Level.WRONG for finding in findings)
    if count:
        click.echo(f"\n{count} of {len(findings)} looked at {'is' if count == 1 else 'are'} wrong.")
        raise click.exceptions.Exit(1)
    click.echo(f"\nAll {len(findings)} looked at are in order.")


def examine() -> Iterator[Finding]:
    """Look at everything, the machine first and what stands on it after."""
    yield machine.python()
    try:
        settings = lumen_settings.load(dotenv=given.DOTENV)
    except SettingsError as error:
        yield wrong(str(error), "Correct it in the environment or in .env.")
        settings = Settings()
    if settings.database_url is None or settings.redis_url is None:
        yield from machine.embedded_binaries()
    if settings.database_url is None:
        yield machine.user(settings.home)
    yield machine.disk(settings.home)
    yield machine.open_files()
    yield machine.phoenix()
    yield machine.embeddings()
    yield from _running(settings)


def _running(settings: Settings) -> Iterator[Finding]:
    from server.cli import running
    from server.embedded import Home

    found = running.find(Home(settings.home))
    yield fine(f"`lumen dev` runs at {found.url}") if found is not None else _port(settings)
    yield _secret(settings)
    database_url = settings.database_url or (found and found.database_url)
    redis_url = settings.redis_url or (found and found.redis_url)
    yield from stores.database(database_url) if database_url else [_later("PostgreSQL")]
    yield from stores.memory(redis_url) if redis_url else [_later("Redis")]


def _port(settings: Settings) -> Finding:
    from server.embedded import EmbeddedError, ports

    what = f"Port {settings.port} on {settings.host}"
    try:
        free = ports.is_free(settings.port, settings.host)
    except EmbeddedError as error:
        return wrong(str(error), "Set HOST to an address of this machine, such as 127.0.0.1.")
    if free:
        return fine(f"{what} is free")
    return mind(
        f"{what} is taken",
        "`lumen dev` will take the next free one; `lumen serve` needs another PORT.",
    )


def _secret(settings: Settings) -> Finding:
    if settings.secret_key is not None:
        return fine("SECRET_KEY is set")
    return fine("SECRET_KEY is not set: `lumen dev` makes one; `lumen serve` demands it")


def _later(name: str) -> Finding:
    return fine(f"No {name} is set, and no `lumen dev` runs: it will start one")
