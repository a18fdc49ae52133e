import socket
from pathlib import Path

import pytest
from click.testing import CliRunner

from server.cli import main
from server.cli import running as runs
from server.cli.root import _COMMANDS
from server.embedded import Home
from server.settings import Settings


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    for name in Settings.__struct_fields__:
        monkeypatch.delenv(name.upper(), raising=False)
    return lambda *words, **env: CliRunner().invoke(main, list(words), env=env)


@pytest.mark.parametrize("command", _COMMANDS)
def test_every_command_explains_itself(run, command: str):
    shown = run(command, "--help")
    assert shown.exit_code == 0
    assert len(shown.output.splitlines()) > 4


def test_the_list_names_every_command(run):
    shown = run("--help").output
    assert all(line in shown for _, line in _COMMANDS.values())


@pytest.mark.parametrize("command", ["serve", "worker"])
def test_servers_of_production_demand_their_settings(run, command: str):
    shown = run(command)
    assert shown.exit_code == 2
    assert "DATABASE_URL and REDIS_URL and SECRET_KEY must be set" in shown.output


def test_a_wrong_setting_is_named(run):
    shown = run("serve", PORT="eighty")
    assert shown.exit_code == 2
    assert "PORT='eighty' cannot be used" in shown.output


def test_a_setting_may_stand_in_dotenv(run):
    Path(".env").write_text("PORT=eighty\n")
    assert "PORT='eighty'" in run("serve").output


def test_serve_refuses_a_taken_port(run):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        shown = run(
            "serve",
            PORT=str(port),
            DATABASE_URL="postgresql://x/x",
            REDIS_URL="redis://x",
            SECRET_KEY="x" * 32,
        )
    assert shown.exit_code == 2
    assert f"Port {port} on 127.0.0.1 is taken" in shown.output


def test_without_a_database_the_other_commands_say_what_to_start(run):
    shown = run("migrate", "status")
    assert shown.exit_code == 2
    assert "Nothing runs on .lumen: start `lumen dev`" in shown.output


RUNNING = runs.Running(
    database_url="postgresql://a/b", redis_url="redis://c", secret_key="k" * 32, url="http://d"
)


def test_what_runs_is_found_while_it_holds_the_folder(tmp_path: Path):
    home = Home(tmp_path)
    home.prepare()
    home.acquire()
    runs.announce(home, RUNNING)
    assert runs.find(home) == RUNNING
    assert tmp_path.joinpath("running.json").stat().st_mode & 0o777 == 0o600
    home.release()


def test_what_a_killed_one_left_behind_is_not_believed(tmp_path: Path):
    home = Home(tmp_path)
    home.prepare()
    runs.announce(home, RUNNING)
    assert runs.find(home) is None


def test_settings_are_completed_and_never_overruled(tmp_path: Path):
    home = Home(tmp_path)
    home.prepare()
    home.acquire()
    runs.announce(home, RUNNING)
    own = Settings(lumen_home=str(tmp_path), redis_url="redis://mine")
    reached = runs.reach(own)
    assert (reached.redis_url, reached.database_url) == ("redis://mine", "postgresql://a/b")
    home.release()
