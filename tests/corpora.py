"""Fetches the corpora that tests read, into a folder that is never committed: `make corpora`.

They come with the source archives of packages that read feeds and pages, which are unpacked and not
installed: feedparser's 2,242 feeds, broken in every way that its authors met; the feeds of reader
with what they should come to; podcastparser's episodes; newspaper4k's and trafilatura's pages.
"""

import subprocess
import sys
import tarfile
from importlib.metadata import version
from pathlib import Path

FOLDER = Path(__file__).parents[1] / ".corpora"


def feeds() -> Path:
    """Give the folder with feedparser's feeds, fetched if it is not there yet."""
    return _unpacked("feedparser", version("feedparser")) / "tests"


def told_feeds() -> Path:
    """Give the folder with reader's feeds, each beside what it should come to."""
    return _unpacked("reader", "3.26") / "tests" / "data"


def podcasts() -> Path:
    """Give the folder with podcastparser's feeds, each beside what it should come to."""
    return _unpacked("podcastparser", "0.6.11") / "tests" / "data"


def pages() -> Path:
    """Give the folder with newspaper4k's pages and the texts that are on them."""
    return _unpacked("newspaper4k", "0.9.6") / "tests" / "data"


def sites() -> Path:
    """Give the folder with trafilatura's sitemaps, feeds and pages."""
    return _unpacked("trafilatura", version("trafilatura")) / "tests"


def _unpacked(package: str, wanted: str) -> Path:
    name = f"{package}-{wanted}"
    if not (FOLDER / name).is_dir():
        FOLDER.mkdir(exist_ok=True)
        _download(package, name)
    return FOLDER / name


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
    for fetched in (feeds, told_feeds, podcasts, pages, sites):
        found = sum(1 for each in fetched().rglob("*") if each.is_file())
        sys.stdout.write(f"{found} files in {fetched()}\n")
