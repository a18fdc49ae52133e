"""The OpenAPI document as a stranger's tool reads it: nothing fails, nothing answers otherwise."""

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from server import auth
from server.bootstrap import services_of
from server.embedded import ports
from server.kernel.ids import new_id
from server.settings import Settings, load
from tests import newsroom
from tests.people import a_user
from tests.services import in_a_thread

ROOT = Path(__file__).parents[2]
SECRET = "a secret of the tests, long enough to be taken"
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance"
# For each of three callers; the whole test stays under a minute and a half.
SECONDS = 22
# Which answers with a file, a redirect or a challenge, and is asked by links that only we make.
NOT_ASKED = r"^/(media/|auth/google|websub/|metrics)"
# After which the caller would be somebody whose sign-in has ended, for the rest of the run.
LEAVING = r"^(delete_auth_(me|sessions.*)|post_auth_logout)$"


@pytest.fixture
def served(database_url: str, redis_url: str, tmp_path: Path) -> Iterator[tuple[str, Settings]]:
    """A server of its own on a filled database."""
    port = ports.pick()
    environ = {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "LUMEN_HOME": str(tmp_path / "lumen"),
        "SECRET_KEY": SECRET,
        "PORT": str(port),
        "RATE_LIMITS": "false",
        "LOG_LEVEL": "error",
    }
    command = [sys.executable, "-m", "server.cli", "serve"]
    child = subprocess.Popen(command, cwd=ROOT, env=os.environ | environ)
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_for(url)
        yield url, load(environ)
    finally:
        child.terminate()
        child.wait(30)


def _wait_for(url: str) -> None:
    end = time.monotonic() + 30
    while True:
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=2):  # noqa: S310 - our own
                return
        except (urllib.error.URLError, OSError):
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


async def _tokens(settings: Settings) -> dict[str, str]:
    async with services_of(settings) as services:
        await newsroom.fill(services.database, 30)
        given = {}
        async with services.write() as db:
            for role in ("user", "admin"):
                viewer = await a_user(db, f"the_{role}", role)
                now = services.clock.now()
                given[role] = auth.access_token(services.policy, viewer, new_id(), now)
        return given


@pytest.mark.timeout(200)
@pytest.mark.row("T-38")
def test_whatever_is_sent_is_answered_as_documented(
    served: tuple[str, Settings], tmp_path: Path
) -> None:
    url, settings = served
    tokens = in_a_thread(_tokens(settings))
    with ExitStack() as stack:
        runs = []
        for who, token in [("visitor", None), *tokens.items()]:
            log = stack.enter_context((tmp_path / f"{who}.log").open("wb"))
            command = _command(url, token)
            runs.append(subprocess.Popen(command, cwd=tmp_path, stdout=log, stderr=log))
        codes = [run.wait(120) for run in runs]
    said = "".join(log.read_text("utf-8")[-15_000:] for log in sorted(tmp_path.glob("*.log")))
    assert codes == [0, 0, 0], said


def _command(url: str, token: str | None) -> list[str]:
    tool = str(Path(sys.executable).with_name("schemathesis"))
    command = [tool, "run", f"{url}/openapi.json", "--checks", CHECKS, "--no-color"]
    command += ["--phases", "examples,fuzzing", "--max-examples", "12", "--seed", "7"]
    command += ["--max-time", str(SECONDS), "--exclude-path-regex", NOT_ASKED, "--no-shrink"]
    command += ["--generation-database", "none", "--warnings", "off", "--request-timeout", "20"]
    if token is not None:
        command += ["-H", f"Authorization: Bearer {token}"]
        command += ["--exclude-operation-id-regex", LEAVING]
    return command
