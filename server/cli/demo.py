"""`lumen demo`: the content that a first start shows."""

import click


@click.group()
def demo() -> None:
    """Load and remove the demo content: made-up news, short posts and comments.

    `lumen dev` loads it at its first start. It is marked, and taken away without touching
    anything else.
    """


@demo.command()
def load() -> None:
    """Load it; what is there already is left alone."""
    from server import demo as content
    from server.cli.acting import act

    click.echo(act(content.load))


@demo.command()
def remove() -> None:
    """Remove it, and what people said about it."""
    from server import demo as content
    from server.cli.acting import act

    click.echo(act(content.remove))
