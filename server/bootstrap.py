"""Builds the one bag of services of a process from its settings, and takes it down again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff

from realtime import Publisher
from realtime.pubsub.redis import RedisPubSub
from server.kernel.bell import Bell
from server.kernel.clock import Clock, SystemClock
from server.kernel.database import Database
from server.kernel.mail import Mailer
from server.kernel.mail_console import ConsoleMailer
from server.kernel.mail_smtp import SmtpMailer
from server.kernel.queue_rq import RqQueue
from server.kernel.services import OidcClient, Policy, Publishes, Services
from server.kernel.storage import Storage
from server.kernel.storage_disk import DiskStorage
from server.kernel.storage_s3 import S3Storage
from server.settings import Settings, SettingsError, listed, quotas_of, rates_of

# What runs behind the web server waits for streams, each reader on a connection of its own.
REDIS_POOL_BEHIND = 50
REDIS_SECONDS = 2.0
REDIS_RETRIES = 2


def policy_of(settings: Settings) -> Policy:
    """Take from the settings what rules depend on.

    Raises:
        SettingsError: there is no SECRET_KEY.

    """
    if settings.secret_key is None:
        raise SettingsError("SECRET_KEY is not set: give it 32 random characters or more.")
    return Policy(
        secret=settings.secret_key,
        public_url=settings.public_url,
        page_url=settings.public_url or f"http://{settings.host}:{settings.port}",
        google=_google(settings),
        access_token_seconds=settings.access_token_seconds,
        refresh_token_seconds=settings.refresh_token_seconds,
        secure_cookies=settings.secure_cookies,
        most_followees=settings.most_followees,
        timeline_fan_out=settings.timeline_fan_out,
        timeline_pull_from=settings.timeline_pull_from,
        timeline_push_below=settings.timeline_push_below,
        timeline_days=settings.timeline_days,
        upload_quotas=quotas_of(settings.upload_quotas),
        post_characters=settings.post_characters,
        post_edit_seconds=settings.post_edit_seconds,
        notification_days=settings.notification_days,
        feed_window=settings.feed_window,
        feed_debug=settings.feed_debug,
        rate_limits=settings.rate_limits,
        rates=rates_of(settings.rates),
        fetch_private_addresses=settings.fetch_private_addresses,
        trusted_proxies=listed(settings.trusted_proxies),
        paused_consumers=listed(settings.paused_consumers),
        vapid_private_key=settings.vapid_private_key,
        vapid_subject=settings.vapid_subject,
        allowed_origins=listed(settings.cors_origins),
    )


def _google(settings: Settings) -> OidcClient | None:
    if settings.google_client_id is None:
        return None
    return OidcClient(
        settings.google_issuer, settings.google_client_id, settings.google_client_secret or ""
    )


def mailer_of(settings: Settings, clock: Clock) -> Mailer:
    """Choose how letters leave."""
    if settings.mail == "console":
        return ConsoleMailer()
    return SmtpMailer(
        host=settings.smtp_host or "",
        port=settings.smtp_port,
        security=settings.smtp_security,
        sender=settings.mail_from,
        clock=clock,
        user=settings.smtp_user,
        password=settings.smtp_password,
    )


def storage_of(settings: Settings) -> Storage:
    """Choose where media are kept."""
    secret = policy_of(settings).secret
    if settings.storage == "s3":
        return _s3(settings)
    return DiskStorage(settings.home / "media", secret=secret)


def _s3(settings: Settings) -> Storage:
    try:
        return S3Storage(
            bucket=settings.s3_bucket or "",
            endpoint_url=settings.s3_endpoint_url,
            region=settings.s3_region,
            access_key_id=settings.s3_access_key_id,
            secret_access_key=settings.s3_secret_access_key,
        )
    except LookupError as error:
        raise SettingsError(str(error)) from error


def required_urls(settings: Settings) -> tuple[str, str]:
    """Give the URLs of PostgreSQL and Redis.

    Raises:
        SettingsError: one is not set.

    """
    if settings.database_url is None:
        raise SettingsError("DATABASE_URL is not set; `lumen dev` starts its own PostgreSQL.")
    if settings.redis_url is None:
        raise SettingsError("REDIS_URL is not set; `lumen dev` starts its own Redis.")
    return settings.database_url, settings.redis_url


def _redis(url: str, most: int) -> Redis:
    """Give a client whose callers wait for one another's connections, and are not refused."""
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=most,
        timeout=REDIS_SECONDS,
        health_check_interval=15,
        # Who waits for a page would rather hear soon that it cannot be had.
        socket_timeout=REDIS_SECONDS,
        socket_connect_timeout=REDIS_SECONDS,
        retry=Retry(ExponentialWithJitterBackoff(base=0.02, cap=0.2), REDIS_RETRIES),
    )
    return Redis.from_pool(pool)


@asynccontextmanager
async def services_of(
    settings: Settings, publisher: Publishes | None = None
) -> AsyncIterator[Services]:
    """Open the services while the block runs.

    A web process hands in its endpoint as the publisher; others get one that only publishes.
    """
    database_url, redis_url = required_urls(settings)
    pubsub = None
    if publisher is None:
        pubsub = RedisPubSub(redis_url, subscribe=False)
        await pubsub.start()
        publisher = Publisher(pubsub)
    clock = SystemClock()
    services = Services(
        policy=policy_of(settings),
        database=Database(database_url, pool=settings.database_pool),
        redis=_redis(redis_url, settings.redis_pool if pubsub is None else REDIS_POOL_BEHIND),
        publisher=publisher,
        storage=storage_of(settings),
        queue=RqQueue(redis_url),
        mailer=mailer_of(settings, clock),
        clock=clock,
        bell=Bell(settings.database_listen_url or database_url),
    )
    try:
        yield services
    finally:
        await services.bell.close()
        await services.redis.aclose()
        await asyncio.shield(services.database.close())
        if pubsub is not None:
            await pubsub.stop()
