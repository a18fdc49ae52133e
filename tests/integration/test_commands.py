"""The commands of `lumen` on real stores."""

import asyncio
import socket
from pathlib import Path

import asyncpg
import pytest
from click.testing import CliRunner, Result

from server.cli import main
from server.settings import Settings

SECRET = "a secret of the tests, long enough to be taken"


class Lumen:
    """The command with an environment of its own."""

    def __init__(self, **environ: str) -> None:
        self.environ = environ

    def __call__(self, *words: str, given: str | None = None) -> Result:
        return CliRunner().invoke(main, list(words), env=self.environ, input=given)


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, and none of our settings in the environment."""
    monkeypatch.chdir(tmp_path)
    for name in Settings.__struct_fields__:
        monkeypatch.delenv(name.upper(), raising=False)
    return tmp_path


@pytest.fixture
def lumen(database_url: str, redis_url: str) -> Lumen:
    return Lumen(DATABASE_URL=database_url, REDIS_URL=redis_url, SECRET_KEY=SECRET)


def value(url: str, statement: str) -> object:
    async def ask() -> object:
        connection = await asyncpg.connect(url)
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    return asyncio.run(ask())


def test_migrate_goes_up_and_down_and_says_where_it_stands(empty_database_url: str):
    lumen = Lumen(DATABASE_URL=empty_database_url)
    before = lumen("migrate", "status")
    assert before.exit_code == 1
    assert "The database is at no revision" in before.output

    assert lumen("migrate", "up").exit_code == 0
    assert lumen("migrate", "status").exit_code == 0

    down = lumen("migrate", "down", "base")
    assert down.output == "The database is at no revision.\n"
    assert value(empty_database_url, "SELECT to_regclass('content.items')") is None


def test_migrating_twice_changes_nothing_the_second_time(lumen: Lumen):
    assert lumen("migrate", "up").output == lumen("migrate", "up").output


def test_the_first_admin_can_be_made_and_somebody_made_admin(lumen: Lumen):
    url = lumen.environ["DATABASE_URL"]
    made = lumen("user", "add", "ada", "--role", "admin")
    assert "Added ada (admin)." in made.output
    assert "Password: " in made.output
    assert value(url, "SELECT role FROM content.users WHERE username = 'ada'") == "admin"

    words = ("user", "add", "bob", "--password-stdin")
    assert lumen(*words, given="a long password\n").output == "Added bob (user).\n"
    raised = lumen("user", "add", "bob", "--role", "admin")
    assert raised.output == "bob was there already and is admin now.\n"
    # By nobody by name: whoever has the keys of the database.
    written = (
        "SELECT string_agg(action, ' ' ORDER BY seq) FROM ops.audit_log WHERE actor_id IS NULL"
    )
    assert value(url, written) == "user.add user.add user.role"


def test_what_cannot_be_a_user_is_refused_with_a_sentence(lumen: Lumen):
    refused = lumen("user", "add", "no spaces please")
    assert refused.exit_code == 1
    assert "A username has 3 to 20 characters" in refused.output
    short = lumen("user", "add", "ada", "--password-stdin", given="short\n")
    assert "A password has 8 characters or more" in short.output


def test_sources_are_added_listed_and_refreshed(lumen: Lumen, nowhere: Path):
    nowhere.joinpath("list.opml").write_text(
        '<opml version="2.0"><body><outline text="One" xmlUrl="https://one.example/feed"/>'
        '<outline text="Two" xmlUrl="https://two.example/feed"/></body></opml>'
    )
    assert "No sources yet" in lumen("source", "list").output
    added = lumen("source", "add", "list.opml")
    assert "Added One" in added.output
    assert "2 added, 0 known already" in added.output
    assert "0 added, 2 known already" in lumen("source", "add", "list.opml").output

    listed = lumen("source", "list").output
    assert "https://two.example/feed" in listed
    assert "not asked yet" in listed
    assert lumen("source", "refresh", "--all").output == "2 sources are asked now.\n"
    one = listed.split()[0]
    assert lumen("source", "refresh", one).output == "1 source is asked now.\n"


def test_a_feed_in_a_file_is_handed_to_a_worker(lumen: Lumen, nowhere: Path):
    nowhere.joinpath("mine.xml").write_text("<rss version='2.0'><channel/></rss>")
    added = lumen("source", "add", "mine.xml", "--title", "Mine")
    assert "Added Mine" in added.output, added.output
    assert "read from a file" in lumen("source", "list").output


def test_what_is_no_source_is_refused_with_a_sentence(lumen: Lumen):
    assert "neither an address" in lumen("source", "add", "nothing.xml").output
    assert "must begin with" in lumen("source", "add", "http://").output
    assert lumen("source", "refresh").exit_code == 2


def test_a_doctor_finds_nothing_wrong_with_what_is_well(lumen: Lumen):
    seen = lumen("doctor")
    assert seen.exit_code == 0, seen.output
    assert "pgvector 0." in seen.output
    assert "as this code wants them" in seen.output


def test_a_doctor_says_what_to_do(empty_database_url: str):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        lumen = Lumen(
            DATABASE_URL=empty_database_url, REDIS_URL="redis://127.0.0.1:1", PORT=str(port)
        )
        seen = lumen("doctor")
    assert seen.exit_code == 1
    for words in (
        "WRONG  The tables are at no revision",
        "-> Run `lumen migrate up`.",
        "WRONG  Redis cannot be reached",
        f"mind  Port {port} on 127.0.0.1 is taken",
    ):
        assert words in seen.output


def test_a_doctor_names_a_setting_that_cannot_be_used():
    seen = Lumen(PORT="eighty")("doctor")
    assert seen.exit_code == 1
    assert "PORT='eighty' cannot be used" in seen.output
