from pathlib import Path

import pytest

from server.settings import Settings, SettingsError, load, table

SECRET = "0123456789abcdef0123456789abcdef"


def test_nothing_set_gives_the_defaults() -> None:
    settings = load({})

    assert (settings.host, settings.port) == ("127.0.0.1", 8080)
    assert settings.database_url is None


def test_values_are_typed() -> None:
    settings = load({"PORT": "9000", "SECURE_COOKIES": "true", "ACCESS_TOKEN_SECONDS": "60.5"})

    assert (settings.port, settings.secure_cookies) == (9000, True)
    assert settings.access_token_seconds == 60.5


def test_an_empty_value_is_not_set() -> None:
    assert load({"PORT": "", "REDIS_URL": ""}) == load({})


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PORT", "eighty"),
        ("PORT", "70000"),
        ("SECURE_COOKIES", "perhaps"),
        ("STORAGE", "tape"),
        ("DATABASE_URL", "mysql://somewhere"),
        ("REDIS_URL", "http://somewhere"),
        ("SECRET_KEY", "short"),
        ("FEED_WINDOW", "0"),
        ("LOG_LEVEL", "loud"),
        ("TRUSTED_PROXIES", "abc"),
        ("TRUSTED_PROXIES", "10.0.0.0/8,10.0.0.0/99"),
        ("REDIS_URL", "redis://a:b:c/zz"),
        ("REDIS_URL", "redis://"),
        ("DATABASE_URL", "postgres://host:notaport/db"),
        ("DATABASE_LISTEN_URL", "postgres://"),
        ("PUBLIC_URL", "lumen.example"),
        ("CORS_ORIGINS", "*"),
        ("CORS_ORIGINS", "https://app.example/path"),
        ("ACCESS_TOKEN_SECONDS", "inf"),
        ("ACCESS_TOKEN_SECONDS", "nan"),
    ],
)
def test_a_wrong_value_is_refused_by_its_name(variable: str, value: str) -> None:
    with pytest.raises(SettingsError, match=variable):
        load({variable: value})


def test_s3_needs_a_bucket() -> None:
    with pytest.raises(SettingsError, match="S3_BUCKET"):
        load({"STORAGE": "s3"})


def test_half_a_key_of_s3_is_refused() -> None:
    with pytest.raises(SettingsError, match="S3_SECRET_ACCESS_KEY"):
        load({"STORAGE": "s3", "S3_BUCKET": "b", "S3_ACCESS_KEY_ID": "a"})


@pytest.mark.parametrize(
    "url",
    ["postgres://u:p@h:5432/d", "postgresql://h/d?sslmode=require", "postgresql:///d?host=/s"],
)
def test_urls_as_hosts_give_them_pass(url: str) -> None:
    assert load({"DATABASE_URL": url}).database_url == url


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text(f"PORT=9001\nHOST=0.0.0.0\nSECRET_KEY={SECRET}\n")

    settings = load({"PORT": "9002"}, file)

    assert (settings.port, settings.host, settings.secret_key) == (9002, "0.0.0.0", SECRET)


def test_every_setting_says_what_it_is() -> None:
    rows = table()

    assert len(rows) == len(Settings.__struct_fields__)
    assert all(meaning.endswith(".") for _, _, meaning in rows)
