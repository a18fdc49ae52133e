"""What every command begins with: the settings, or a sentence and the end."""

from pathlib import Path
from typing import NoReturn

import click

from server import settings as lumen_settings
from server.settings import Settings, SettingsError

DOTENV = Path(".env")
_USAGE = 2


class Unusable(click.ClickException):
    """What was asked for cannot be done as things are set."""

    exit_code = _USAGE


def load_settings() -> Settings:
    """Read the settings of this process, once."""
    try:
        return lumen_settings.load(dotenv=DOTENV)
    except SettingsError as error:
        raise Unusable(str(error)) from error


def refuse(sentence: str) -> NoReturn:
    """End the command with a sentence."""
    raise Unusable(sentence)


def demand(settings: Settings, *names: str) -> None:
    """End the command when one of these settings is not set."""
    missing = [name.upper() for name in names if getattr(settings, name) is None]
    if missing:
        refuse(
            f"{' and '.join(missing)} must be set for this command, in the environment or in "
            f".env. `lumen dev` needs neither: it starts servers of its own."
        )


def reachable() -> Settings:
    """Read the settings and complete them with what the running `lumen dev` uses."""
    from server.cli import running

    return running.reach(load_settings())


def database_url() -> str:
    """The database that is set, or that of the running `lumen dev`."""
    return load_settings().database_url or reachable().database_url or ""
