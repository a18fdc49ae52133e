"""Every setting of Lumen: its name in the environment, its type, its default and its meaning.

Settings are one frozen value, read once by a process's root and handed down as an argument.
"""

import ipaddress
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints
from urllib.parse import urlsplit

import msgspec
from dotenv import dotenv_values
from msgspec import Meta, Struct


class SettingsError(ValueError):
    """A setting cannot be used; the sentence names the variable and what would be right."""


# At most ten years: also what keeps infinity out.
Seconds = Annotated[float, Meta(gt=0, le=315_360_000)]
# Within what `lumen serve --workers` and hosts wait beyond the time for the sockets.
Notice = Annotated[float, Meta(ge=0, le=8)]
Count = Annotated[int, Meta(ge=1)]
# Within what an item's text may be.
PostLength = Annotated[int, Meta(ge=1, le=4000)]
Port = Annotated[int, Meta(ge=1, le=65535)]


def _says(description: str) -> Meta:
    return Meta(description=description)


class Settings(Struct, frozen=True, kw_only=True):
    """What the operator decides; the variable is the field's name in capitals."""

    host: Annotated[str, _says("The address that the web server listens on.")] = "127.0.0.1"
    port: Annotated[Port, _says("The port that the web server listens on.")] = 8080
    lumen_home: Annotated[str, _says("Where embedded data, media and models are kept.")] = ".lumen"
    public_url: Annotated[
        str | None, _says("How readers reach the server, for links that leave it.")
    ] = None

    database_url: Annotated[
        str | None, _says("PostgreSQL with pgvector; unset, `lumen dev` starts its own.")
    ] = None
    database_listen_url: Annotated[
        str | None, _says("A direct URL for LISTEN where a transaction pooler stands in between.")
    ] = None
    database_pool: Annotated[Count, _says("Most connections of one process to PostgreSQL.")] = 25
    redis_url: Annotated[str | None, _says("Redis; unset, `lumen dev` starts its own.")] = None
    redis_pool: Annotated[Count, _says("Most connections of one web process to Redis.")] = 10

    secret_key: Annotated[
        str | None, _says("At least 32 characters; signs tokens, cursors and links.")
    ] = None
    access_token_seconds: Annotated[Seconds, _says("How long an access token is good.")] = 900.0
    refresh_token_seconds: Annotated[Seconds, _says("How long a sign-in lasts unused.")] = 2592000.0
    secure_cookies: Annotated[bool, _says("Send cookies over HTTPS only.")] = False
    trusted_proxies: Annotated[
        str, _says("Comma-separated networks whose forwarded client address is believed.")
    ] = ""
    cors_origins: Annotated[
        str, _says("Comma-separated origins that may call the API from a browser.")
    ] = ""

    google_client_id: Annotated[
        str | None, _says("The client id of Google sign-in; unset, there is none.")
    ] = None
    google_client_secret: Annotated[str | None, _says("The secret of that client.")] = None
    google_issuer: Annotated[str, _says("The OIDC issuer that people sign in at.")] = (
        "https://accounts.google.com"
    )

    mail: Annotated[
        Literal["console", "smtp"],
        _says("How letters leave; `console` shows them to the operator."),
    ] = "console"
    mail_from: Annotated[str, _says("The sender of letters.")] = "Lumen <lumen@localhost>"
    smtp_host: Annotated[str | None, _says("The mail server, with MAIL=smtp.")] = None
    smtp_port: Annotated[Port, _says("The mail server's port.")] = 587
    smtp_security: Annotated[
        Literal["starttls", "tls", "none"], _says("How the way to the mail server is kept private.")
    ] = "starttls"
    smtp_user: Annotated[str | None, _says("Whom the mail server knows us as.")] = None
    smtp_password: Annotated[str | None, _says("The password for the mail server.")] = None

    vapid_private_key: Annotated[
        str | None, _says("The P-256 key of Web Push, as base64url; unset, there is none.")
    ] = None
    vapid_subject: Annotated[
        str, _says("How push services reach the operator: a mailto: or https: address.")
    ] = "mailto:admin@localhost"

    storage: Annotated[Literal["disk", "s3"], _says("Where media are kept.")] = "disk"
    s3_bucket: Annotated[str | None, _says("The bucket, with STORAGE=s3.")] = None
    s3_endpoint_url: Annotated[str | None, _says("The S3 endpoint, unless it is AWS.")] = None
    s3_region: Annotated[str, _says("The S3 region.")] = "auto"
    s3_access_key_id: Annotated[str | None, _says("The S3 access key.")] = None
    s3_secret_access_key: Annotated[str | None, _says("The S3 secret.")] = None

    embedding_engine: Annotated[
        Literal["onnx", "torch"], _says("What computes embeddings; torch needs the extra.")
    ] = "onnx"
    fetch_private_addresses: Annotated[
        bool, _says("Development only: let sources be fetched from loopback addresses.")
    ] = False
    most_followees: Annotated[Count, _says("How many people one can follow.")] = 5000
    timeline_fan_out: Annotated[
        bool, _says("Write posts into followers' timelines; off, all is read from PostgreSQL.")
    ] = True
    timeline_pull_from: Annotated[
        Count, _says("With so many followers, an author's posts are merged in by the readers.")
    ] = 10000
    timeline_push_below: Annotated[
        Count, _says("With so few followers again, they are written into timelines again.")
    ] = 8000
    timeline_days: Annotated[Count, _says("For so long after a read a timeline is kept.")] = 14
    upload_quotas: Annotated[
        str, _says("Megabytes of uploads that people may keep, by what they are.")
    ] = "user=1000,creator=10000,admin=10000"
    post_characters: Annotated[
        PostLength, _says("Most characters of a post, as readers count them.")
    ] = 500
    post_edit_seconds: Annotated[
        Seconds, _says("How long a post can be edited after it was posted.")
    ] = 900.0
    notification_days: Annotated[
        Count, _says("For so many days after its last change a notification is kept.")
    ] = 180
    feed_window: Annotated[Count, _says("Slides pushed ahead of the reader's last ack.")] = 3
    feed_debug: Annotated[bool, _says("Say on each slide why it was chosen.")] = False
    rate_limits: Annotated[bool, _says("Limit requests and sockets, by address and user.")] = True
    paused_consumers: Annotated[
        str, _says("Comma-separated groups of reactions that wait, such as `timelines`.")
    ] = ""
    rates: Annotated[
        str, _says("Limits in place of those of docs/limits.md, as `write=100/10,read=500/10`.")
    ] = ""
    stop_notice_seconds: Annotated[
        Notice, _says("How long `/readyz` says no before a server that stops lets nobody in.")
    ] = 0.0
    metrics_port: Annotated[
        Port | None, _says("The port on which `lumen worker` shows its metrics; unset, nowhere.")
    ] = None
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], _says("The least severe line logged.")
    ] = "info"
    log_format: Annotated[Literal["json", "text"], _says("How log lines are written.")] = "json"

    @property
    def home(self) -> Path:
        """The data folder as an absolute path."""
        return Path(self.lumen_home).expanduser().resolve()


def load(environ: Mapping[str, str] | None = None, dotenv: Path | None = None) -> Settings:
    """Read the settings from a `.env` file, if there is one, and the environment, which wins.

    Raises:
        SettingsError: a value does not fit; the message names the variable.

    """
    given = dict(dotenv_values(dotenv)) if dotenv is not None and dotenv.is_file() else {}
    given |= os.environ if environ is None else environ
    known = {name.upper(): name for name in Settings.__struct_fields__}
    # An empty value is how shells and compose files say "not set".
    raw = {known[name]: value for name, value in given.items() if name in known and value}
    values: dict[str, Any] = {name: _value(name, text) for name, text in raw.items()}
    return _checked(Settings(**values))


def _value(name: str, text: str) -> Any:
    kind = _TYPES[name]
    try:
        return msgspec.convert(text, kind, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsError(f"{name.upper()}={text!r} cannot be used: {error}.") from error


_TYPES = get_type_hints(Settings, include_extras=True)
_LEAST_SECRET = 32


def _checked(settings: Settings) -> Settings:
    if settings.secret_key is not None and len(settings.secret_key) < _LEAST_SECRET:
        raise SettingsError(f"SECRET_KEY is too short: give it {_LEAST_SECRET} characters or more.")
    rates_of(settings.rates)
    quotas_of(settings.upload_quotas)
    _check_storage(settings)
    _check_mail(settings)
    if settings.google_client_id and not settings.google_client_secret:
        raise SettingsError("GOOGLE_CLIENT_ID needs GOOGLE_CLIENT_SECRET.")
    for name, schemes in _SCHEMES.items():
        _check_url(name, getattr(settings, name), schemes)
    for origin in listed(settings.cors_origins):
        _check_origin("CORS_ORIGINS", origin)
    for network in listed(settings.trusted_proxies):
        _check_network(network)
    return settings


_SCHEMES = {
    "database_url": ("postgres", "postgresql"),
    "database_listen_url": ("postgres", "postgresql"),
    "redis_url": ("redis", "rediss"),
    "public_url": ("http", "https"),
    "s3_endpoint_url": ("http", "https"),
    "google_issuer": ("http", "https"),
}


def listed(text: str) -> tuple[str, ...]:
    """Read a setting that is a list with commas."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def rates_of(text: str) -> dict[str, tuple[int, float]]:
    """Read limits: how many in how many seconds, by their names.

    Raises:
        SettingsError: one of them is none.

    """
    read: dict[str, tuple[int, float]] = {}
    for part in listed(text):
        name, _, rate = part.partition("=")
        count, _, seconds = rate.partition("/")
        try:
            read[name.strip()] = msgspec.convert((count, seconds), _RATE, strict=False)
        except msgspec.ValidationError as error:
            raise SettingsError(
                f"RATES={text!r} cannot be used: {part!r} is no limit such as write=100/10."
            ) from error
    return read


_RATE = tuple[Count, Seconds]


def quotas_of(text: str) -> dict[str, int]:
    """Read how much room people have, by their roles.

    Raises:
        SettingsError: one of them is none.

    """
    try:
        pairs = [part.partition("=") for part in listed(text)]
        given = {role.strip(): most for role, _, most in pairs}
        quotas: dict[str, int] = msgspec.convert(given, dict[_Plan, Count], strict=False)
    except msgspec.ValidationError as error:
        raise SettingsError(
            f"UPLOAD_QUOTAS={text!r} cannot be used: it takes a list such as user=1000,admin=9000."
        ) from error
    return quotas


_Plan = Literal["user", "creator", "admin"]


def _check_storage(settings: Settings) -> None:
    if settings.storage != "s3":
        return
    if not settings.s3_bucket:
        raise SettingsError("STORAGE=s3 needs S3_BUCKET, the name of the bucket.")
    if bool(settings.s3_access_key_id) != bool(settings.s3_secret_access_key):
        raise SettingsError("S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY go together: set both.")


def _check_mail(settings: Settings) -> None:
    if settings.mail == "smtp" and not settings.smtp_host:
        raise SettingsError("MAIL=smtp needs SMTP_HOST, the name of the mail server.")
    if settings.smtp_user and not settings.smtp_password:
        raise SettingsError("SMTP_USER and SMTP_PASSWORD go together: set both.")
    if "@" not in settings.mail_from or not settings.mail_from.isprintable():
        raise SettingsError("MAIL_FROM takes a sender such as Lumen <lumen@example.org>.")


def _check_url(name: str, given: str | None, schemes: tuple[str, ...]) -> None:
    if given is None:
        return
    right = " or ".join(f"{scheme}://" for scheme in schemes)
    try:
        parts = urlsplit(given)
        sound = parts.port is None or parts.port > 0
    except ValueError as error:
        raise SettingsError(f"{name.upper()} cannot be read as a URL: {error}.") from error
    if parts.scheme not in schemes or not sound:
        raise SettingsError(f"{name.upper()} must begin with {right}.")
    # libpq takes a URL without a host for a socket in a folder; all others need one.
    if not parts.hostname and not (parts.scheme in _SCHEMES["database_url"] and parts.query):
        raise SettingsError(f"{name.upper()} names no host: {right}HOST.")


def _check_origin(name: str, given: str) -> None:
    _check_url(name, given, ("http", "https"))
    if urlsplit(given).path.strip("/") or urlsplit(given).query:
        raise SettingsError(f"{name} takes origins such as https://app.example, not {given!r}.")


def _check_network(given: str) -> None:
    try:
        ipaddress.ip_network(given, strict=False)
    except ValueError as error:
        raise SettingsError(
            f"TRUSTED_PROXIES takes networks such as 10.0.0.0/8, not {given!r}."
        ) from error


def table() -> list[tuple[str, str, str]]:
    """Every setting as (variable, default, meaning), for the README and `lumen doctor`."""
    rows = []
    for field in msgspec.structs.fields(Settings):
        hint = _TYPES[field.name]
        meaning = next(m.description for m in hint.__metadata__ if m.description)
        default = "" if field.default is None else str(field.default)
        rows.append((field.name.upper(), default, meaning))
    return rows
