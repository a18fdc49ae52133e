"""`lumen dev`: everything on one machine, from nothing to a live feed."""

import click

from server.cli import given


@click.command()
@click.option("--open/--no-open", "open_page", help="Open the page in a browser.")
@click.option("--demo/--no-demo", default=True, help="Load the demo content at the first start.")
def dev(*, open_page: bool, demo: bool) -> None:
    """Start everything on this machine: PostgreSQL, Redis, tables, workers and the web server.

    PostgreSQL with pgvector and Redis come from their Python packages and keep their data in
    LUMEN_HOME (.lumen), unless DATABASE_URL and REDIS_URL name others. A second start finds its
    data again. One Ctrl-C ends everything cleanly; a second one does not wait.
    """
    settings = given.load_settings()

    from server.cli.launch import Launch
    from server.embedded import EmbeddedError, Home, HomeBusyError

    home = Home(settings.home)
    try:
        home.prepare()
        home.acquire()
        Launch(settings, home).run(open_page=open_page, demo=demo)
    except HomeBusyError as error:
        given.refuse(str(error))
    except (EmbeddedError, OSError) as error:
        raise click.ClickException(f"{error}\n`lumen doctor` may say more.") from error
    finally:
        home.release()
