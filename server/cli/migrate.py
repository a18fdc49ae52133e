"""Bring a database's tables to the version of this code, or back."""

from pathlib import Path

from alembic import command
from alembic.config import Config

_SCRIPTS = Path(__file__).parents[2] / "migrations"


def configuration(database_url: str) -> Config:
    """What alembic needs to know; `migrations/env.py` reads the URL from its attributes."""
    config = Config()
    # A percent sign in a folder's name is no interpolation.
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.attributes["database_url"] = database_url
    return config


def up(database_url: str, revision: str = "head") -> None:
    """Apply every migration that is missing."""
    command.upgrade(configuration(database_url), revision)


def down(database_url: str, revision: str) -> None:
    """Take migrations back, to a revision or by a count such as `-1`."""
    command.downgrade(configuration(database_url), revision)
