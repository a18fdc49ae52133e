"""`lumen migrate`: the tables of a database, to the version of this code or back."""

import click

from server.cli import given


@click.group()
def migrate() -> None:
    """Bring the database's tables up to date, or back.

    Works on DATABASE_URL, or on the database of the `lumen dev` that is running.
    """


@migrate.command()
@click.argument("revision", default="head")
def up(revision: str) -> None:
    """Apply the migrations that are missing, to REVISION or all of them."""
    from server.cli import schema

    url = given.database_url()
    schema.up(url, revision)
    click.echo(f"The database is at {schema.versions(url).database}.")


@migrate.command()
@click.argument("revision")
def down(revision: str) -> None:
    """Take migrations back to REVISION (`base` for none), or so many with -1, -2 and so on."""
    from server.cli import schema

    url = given.database_url()
    schema.down(url, revision)
    click.echo(f"The database is at {schema.versions(url).database or 'no revision'}.")


# `-1` is a revision here and not an option that nobody knows.
down.context_settings["ignore_unknown_options"] = True


@migrate.command()
def status() -> None:
    """Compare the database with this code; ends with 1 when they differ."""
    from server.cli import schema

    versions = schema.versions(given.database_url())
    click.echo(
        f"The database is at {versions.database or 'no revision'}, the code at {versions.code}."
    )
    if not versions.agree:
        click.echo("Run `lumen migrate up`.")
        raise click.exceptions.Exit(1)


@migrate.command()
@click.argument("message")
def new(message: str) -> None:
    """Write an empty revision, for the one who changes the tables: MESSAGE says what it does."""
    from server.cli import schema

    for path in schema.write(message):
        click.echo(f"Wrote {path}.")
