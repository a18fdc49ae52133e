"""Fetches the corpora that tests read, into a folder that is never committed: `make corpora`.

feedparser's own tests are 2,242 feeds, broken in every way that its authors met. They come with its
source archive, which is unpacked and not installed.
"""

import subprocess
import sys
import tarfile
from importlib.metadata import version
from pathlib import Path

FOLDER = Path(__file__).parents[1] / ".corpora"


def feeds() -> Path:
    """Give the folder with feedparser's feeds, fetched if it is not there yet."""
    name = f"feedparser-{version('feedparser')}"
    unpacked = FOLDER / name
    if not unpacked.is_dir():
        FOLDER.mkdir(exist_ok=True)
        _download("feedparser", name)
    return unpacked / "tests"


def _download(package: str, name: str) -> None:
    command = [
        *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"),
        *("--no-deps", "--no-binary", package, "--dest", str(FOLDER)),
        name.replace("-", "==", 1),
    ]
    subprocess.run(command, check=True)
    with tarfile.open(FOLDER / f"{name}.tar.gz") as archive:
        archive.extractall(FOLDER / f"{name}.part", filter="data")
    (FOLDER / f"{name}.part" / name).rename(FOLDER / name)
    (FOLDER / f"{name}.part").rmdir()


if __name__ == "__main__":
    found = sum(1 for _ in feeds().rglob("*.xml"))
    sys.stdout.write(f"{found} feeds in {FOLDER}\n")
