import pytest

from server.kernel.database import driver_url, listen_url


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("postgres://u:p@h:5432/d", "postgresql+asyncpg://u:p@h:5432/d"),
        ("postgresql://h/d?sslmode=require", "postgresql+asyncpg://h/d?ssl=require"),
        (
            "postgres://h/d?sslmode=disable&channel_binding=prefer&application_name=x",
            "postgresql+asyncpg://h/d?application_name=x&ssl=disable",
        ),
        ("postgresql+asyncpg://h/d", "postgresql+asyncpg://h/d"),
    ],
)
def test_urls_as_hosts_give_them_are_taken(given: str, wanted: str) -> None:
    assert driver_url(given) == wanted
    assert listen_url(given) == wanted.replace("+asyncpg", "")
