"""Dockerfile and fly.toml, as far as they can be judged without an engine."""

import re
import shlex
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest

from server.cli.root import _COMMANDS
from server.cli.serve import GRACEFUL_SECONDS
from server.settings import load
from tests.architecture.test_locks import PROJECT, asked, locked

ROOT = Path(__file__).parents[2]
FLY = tomllib.loads(ROOT.joinpath("fly.toml").read_text("utf-8"))


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions in order, comments gone and continued lines joined."""
    text = ROOT.joinpath("Dockerfile").read_text("utf-8")
    text = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in lines]


def stages() -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = {}
    name = ""
    for word, rest in instructions():
        if word == "FROM":
            name = rest.partition(" AS ")[2] or "final"
            found[name] = []
        found[name].append((word, rest))
    return found


def all_of(stage: str, word: str) -> list[str]:
    return [rest for each, rest in stages()[stage] if each == word]


def test_only_known_instructions_in_three_stages():
    known = {"FROM", "RUN", "COPY", "ENV", "WORKDIR", "USER", "EXPOSE", "STOPSIGNAL", "CMD"}
    assert {word for word, _ in instructions()} <= known
    assert list(stages()) == ["page", "build", "final"]


def test_images_are_pinned_to_a_version_that_the_project_takes():
    bases = [rest.split()[0] for word, rest in instructions() if word == "FROM"]
    assert all(re.fullmatch(r"[a-z]+:\d[\w.-]+", base) for base in bases)
    assert [base for base in bases if base.startswith("python:3.11-")] == bases[1:]


def test_what_runs_is_no_root_and_gets_its_signals():
    final = stages()["final"]
    words = [word for word, _ in final]
    assert words[-1] == "CMD"
    assert "USER" in words[words.index("COPY") :]
    assert all_of("final", "USER") == ["lumen"]
    assert all_of("final", "CMD") == ['["lumen", "serve"]']  # no shell that would keep the signal
    assert all_of("final", "STOPSIGNAL") == ["SIGTERM"]


def test_node_and_pip_stay_in_their_stages():
    assert not [rest for rest in all_of("final", "RUN") if "npm" in rest or "pip" in rest]
    assert any("npm ci --omit=dev --ignore-scripts" in rest for rest in all_of("page", "RUN"))


def test_what_is_copied_exists_and_is_let_in():
    let_in = {
        line.removeprefix("!")
        for line in ROOT.joinpath(".dockerignore").read_text("utf-8").splitlines()
        if line.startswith("!")
    }
    copied = {
        source
        for stage in ("page", "build")
        for rest in all_of(stage, "COPY")
        for source in shlex.split(rest)[:-1]
    }
    assert copied == let_in
    assert [each for each in sorted(copied) if not ROOT.joinpath(each).exists()] == []


def test_every_stage_copied_from_is_there():
    origins = {
        found for rest in all_of("final", "COPY") for found in re.findall(r"--from=(\S+)", rest)
    }
    assert origins == {"build", "page"}


def test_the_image_leaves_out_the_embedded_servers_and_nothing_that_it_needs():
    pattern = re.search(r"grep -v -E '\^\(([^)]+)\)=='", ROOT.joinpath("Dockerfile").read_text())
    assert pattern is not None
    left_out = set(pattern[1].split("|"))
    only_embedded = {
        each.partition(">")[0] for each in PROJECT["optional-dependencies"]["embedded"]
    } - {"lumen[jobs]"}
    assert only_embedded <= left_out <= set(locked("requirements.lock"))
    assert left_out.isdisjoint(each.name for each in asked("jobs"))


@pytest.mark.parametrize("command", [*FLY["processes"].values(), FLY["deploy"]["release_command"]])
def test_what_fly_starts_is_a_command_of_ours(command: str):
    assert command.split(maxsplit=1)[0] == "lumen"
    assert command.split()[1] in _COMMANDS


def test_fly_sets_what_the_settings_take():
    told = {**FLY["env"], "S3_BUCKET": "a secret", "SECRET_KEY": "x" * 32}
    read = load(told)
    assert (read.host, read.port) == ("0.0.0.0", FLY["http_service"]["internal_port"])
    assert read.secure_cookies
    assert read.storage == "s3"
    assert {name.lower() for name in FLY["env"]} <= set(read.__struct_fields__)


def test_fly_waits_longer_than_the_web_server_takes():
    assert int(FLY["kill_timeout"].removesuffix("s")) > GRACEFUL_SECONDS
    assert FLY["kill_signal"] == "SIGTERM"


def test_fly_sends_readers_to_machines_that_are_ready():
    service = FLY["http_service"]
    assert service["processes"] == ["web"]
    assert [check["path"] for check in service["checks"]] == ["/readyz"]
    assert service["auto_stop_machines"] == "off"
    assert service["concurrency"]["type"] == "connections"
    assert FLY["deploy"]["strategy"] == "rolling"


def test_fly_asks_for_metrics_where_they_are():
    asked_of = {each["processes"][0]: (each["port"], each["path"]) for each in FLY["metrics"]}
    assert asked_of == {
        "web": (int(FLY["env"]["PORT"]), "/metrics"),
        "worker": (int(FLY["env"]["METRICS_PORT"]), "/metrics"),
    }


def test_every_vm_names_a_process_group():
    named = [process for vm in FLY["vm"] for process in vm["processes"]]
    assert sorted(named) == sorted(FLY["processes"])


def test_modules_that_the_image_runs_exist():
    named = {
        found
        for stage in stages()
        for rest in all_of(stage, "RUN")
        for found in re.findall(r"python -m ([\w.]+)", rest)
    }
    assert named == {"venv", "jobs.embed.build", "compileall"}
    assert [name for name in named if find_spec(name) is None] == []
