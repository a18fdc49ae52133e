"""`lumen serve`: the web server."""

import signal
import sys

import click

from server.cli import given
from server.settings import Settings

# Long enough to hand the open sockets over in batches, short enough for a host's patience.
GRACEFUL_SECONDS = 20
BACKLOG = 4096
KEEP_ALIVE_SECONDS = 75
LARGEST_FRAME_BYTES = 1024 * 1024


@click.command()
@click.option("--host", help="The address to listen on; HOST by default.")
@click.option("--port", type=click.IntRange(1, 65535), help="The port; PORT by default.")
def serve(host: str | None, port: int | None) -> None:
    """Start the web server: pages, REST and sockets.

    Needs DATABASE_URL, REDIS_URL and SECRET_KEY, and tables that `lumen migrate up` has made. On
    SIGTERM it takes no more connections, closes its sockets in batches and ends with code 0.
    """
    settings = given.load_settings()
    given.demand(settings, "database_url", "redis_url", "secret_key")
    host, port = host or settings.host, port or settings.port

    from server.embedded import EmbeddedError, ports

    try:
        free = ports.is_free(port, host)
    except EmbeddedError as error:
        given.refuse(str(error))
    if not free:
        given.refuse(
            f"Port {port} on {host} is taken: stop what listens there, or set PORT to another one."
        )
    _raise_file_limit()
    run(settings, host, port)


def run(settings: Settings, host: str, port: int) -> None:
    """Serve until a signal comes."""
    import uvicorn

    from realtime.transports.uvicorn_fastlane import FastlaneProtocol
    from server.app import create_app
    from server.kernel import logs

    logs.configure(settings.log_level, settings.log_format)
    config = uvicorn.Config(
        create_app(settings),
        host=host,
        port=port,
        loop="uvloop",
        http="httptools",
        ws=FastlaneProtocol,
        ws_per_message_deflate=False,
        ws_max_size=LARGEST_FRAME_BYTES,
        lifespan="on",
        access_log=False,
        log_config=None,  # the app writes the logs
        server_header=False,
        proxy_headers=False,  # the app believes the proxies that TRUSTED_PROXIES names
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACEFUL_SECONDS,
    )
    # The server raises the signals again when it is done; to have stopped as asked is no failure.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    server = uvicorn.Server(config)
    server.run()
    if not server.started:
        sys.exit(1)


def _raise_file_limit() -> None:
    """Allow as many open sockets as this process may have at all."""
    import resource

    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
