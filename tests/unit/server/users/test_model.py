"""Names and addresses."""

import pytest

from server.kernel.problems import Malformed
from server.users.model import RESERVED, check_display_name, check_email, check_username


@pytest.mark.parametrize("name", ["ada", "ADA", "a_1", "x" * 20, "_ada_", "123"])
def test_usernames_that_are_taken(name: str) -> None:
    assert check_username(name) == name


@pytest.mark.parametrize(
    "name", ["", "ab", "x" * 21, "a b", "a-b", "a.b", "adä", "ada\n", "___", "\u0430da", "a\u200db"]
)
def test_usernames_that_are_not(name: str) -> None:
    with pytest.raises(Malformed):
        check_username(name)


@pytest.mark.parametrize("name", ["admin", "Admin", "LUMEN", "root"])
def test_reserved_names_are_for_the_house(name: str) -> None:
    with pytest.raises(Malformed):
        check_username(name)
    assert check_username(name, for_the_house=True) == name


def test_reserved_names_are_written_small() -> None:
    assert {name.lower() for name in RESERVED} == RESERVED


@pytest.mark.parametrize("address", ["a@b.co", " a.b+c@d-e.example.org ", "ü@example.org"])
def test_addresses_that_are_taken(address: str) -> None:
    assert check_email(address) == address.strip()


@pytest.mark.parametrize(
    "address", ["", "a", "a@b", "@b.co", "a@b..co", "a b@c.de", "a@b.co, c@d.ef", "a@" + "b" * 300]
)
def test_addresses_that_are_not(address: str) -> None:
    with pytest.raises(Malformed) as refused:
        check_email(address)
    # Refusals are logged and shown: they never repeat an address.
    assert "@" not in refused.value.detail


def test_display_names_are_made_plain() -> None:
    assert check_display_name("  Ada\t Lovelace ") == "Ada Lovelace"
    for odd in ("", " ", "x" * 51, "a\u202eb", "a\x00b"):
        with pytest.raises(Malformed):
            check_display_name(odd)
