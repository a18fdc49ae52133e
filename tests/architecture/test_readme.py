"""What README.md and .env.example say of the settings is what the settings are."""

from pathlib import Path

from server import settings

ROOT = Path(__file__).parents[2]
BEGIN = "<!-- settings: checked by tests/architecture/test_readme.py -->\n"
END = "<!-- end of settings -->"


def table() -> str:
    rows = [
        f"| `{name}` | {f'`{given}`' if given else ''} | {says} |\n"
        for name, given, says in settings.table()
    ]
    return "".join(["| variable | default | what it decides |\n", "|---|---|---|\n", *rows])


def test_the_readme_tells_every_setting():
    text = ROOT.joinpath("README.md").read_text("utf-8")
    told = text.partition(BEGIN)[2].partition(END)[0]
    assert told == table(), f"It should be:\n{table()}"


def test_the_example_names_settings_only_and_sets_none():
    names = {name for name, _, _ in settings.table()}
    lines = ROOT.joinpath(".env.example").read_text("utf-8").splitlines()
    told = [
        line.removeprefix("#").partition("=")[0]
        for line in lines
        if line.startswith("#") and "=" in line
    ]
    assert set(told) <= names
    assert [line for line in lines if line and not line.startswith("#")] == []
