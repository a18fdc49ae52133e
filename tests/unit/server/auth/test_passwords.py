"""Password hashes."""

import asyncio

import bcrypt
import pytest

from server.auth import passwords
from server.auth.passwords import Verdict, hash_password, verify
from server.kernel.problems import Unavailable

pytestmark = pytest.mark.anyio


async def test_a_hash_is_argon2id_salted_and_fits_its_password_only() -> None:
    one, two = await hash_password("correct horse"), await hash_password("correct horse")
    assert one.startswith("$argon2id$")
    assert one != two
    assert await verify("correct horse", one) == Verdict(right=True)
    assert await verify("correct horsf", one) == Verdict(right=False)


async def test_hashes_of_other_kinds_are_verified_and_told_to_be_outdated() -> None:
    old = bcrypt.hashpw(b"correct horse", bcrypt.gensalt(4)).decode()
    assert await verify("correct horse", old) == Verdict(right=True, outdated=True)
    assert not (await verify("wrong", old)).right
    assert not (await verify("x" * 73, old)).right
    weak = passwords.PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash("pass word")
    assert await verify("pass word", weak) == Verdict(right=True, outdated=True)


@pytest.mark.parametrize("stored", ["", "plain", "$argon2id$broken", "!"])
async def test_what_is_no_hash_fits_nothing(stored: str) -> None:
    assert not (await verify("anything", stored)).right


async def test_nobody_has_no_password_but_costs_one(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[str] = []

    def count(password: str, stored: str) -> bool:
        compared.append(stored)
        return password == stored

    monkeypatch.setattr(passwords, "_matches_argon2", count)
    assert await verify("anything", None) == Verdict(right=False)
    assert len(compared) == 1
    assert compared[0].startswith("$argon2id$")


async def test_the_line_is_bounded_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "MOST_WAITING", 2)
    answers = await asyncio.gather(
        *(hash_password("correct horse") for _ in range(4)), return_exceptions=True
    )
    assert [isinstance(answer, Unavailable) for answer in answers] == [False, False, True, True]
    assert (await hash_password("correct horse")).startswith("$argon2id$")
