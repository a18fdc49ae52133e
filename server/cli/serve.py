"""`lumen serve`: the web server."""

import signal
import socket
import sys

import click

from server.cli import given
from server.settings import Settings, SettingsError

# Long enough to hand the open sockets over in batches, short enough for a host's patience.
GRACEFUL_SECONDS = 20
BACKLOG = 4096
KEEP_ALIVE_SECONDS = 75
LARGEST_FRAME_BYTES = 1024 * 1024
MOST_WORKERS = 64


@click.command()
@click.option("--host", help="The address to listen on; HOST by default.")
@click.option("--port", type=click.IntRange(1, 65535), help="The port; PORT by default.")
@click.option(
    "--workers",
    type=click.IntRange(1, MOST_WORKERS),
    default=1,
    show_default=True,
    help="How many processes share the port; one for each core is sensible.",
)
@click.option("--shares-port", is_flag=True, hidden=True, help="Be one of those processes.")
def serve(host: str | None, port: int | None, workers: int, *, shares_port: bool) -> None:
    """Start the web server: pages, REST and sockets.

    Needs DATABASE_URL, REDIS_URL and SECRET_KEY, and tables that `lumen migrate up` has made. On
    SIGTERM it says at /readyz for STOP_NOTICE_SECONDS that it leaves, takes no more connections,
    closes its sockets in batches and ends with code 0.

    Of several processes one that falls is started again, and they stop one after the other, so
    that their readers do not all come back at the same moment.
    """
    settings = given.load_settings()
    given.demand(settings, "database_url", "redis_url", "secret_key")
    host, port = host or settings.host, port or settings.port
    if shares_port:
        _raise_file_limit()
        run(settings, host, port, shares_port=True)
        return

    from server.embedded import EmbeddedError, ports

    try:
        free = ports.is_free(port, host)
    except EmbeddedError as error:
        given.refuse(str(error))
    if not free:
        given.refuse(
            f"Port {port} on {host} is taken: stop what listens there, or set PORT to another one."
        )
    if workers > 1:
        from server.cli.web_workers import supervise

        supervise(workers, host, port)
        return
    _raise_file_limit()
    run(settings, host, port)


def run(settings: Settings, host: str, port: int, *, shares_port: bool = False) -> None:
    """Serve until a signal comes."""
    import uvicorn

    from realtime.transports.uvicorn_door import DoorProtocol
    from realtime.transports.uvicorn_drain import DrainingServer
    from realtime.transports.uvicorn_fastlane import FastlaneProtocol
    from server.app import create_app
    from server.cli.collecting import spare_the_collector
    from server.kernel import logs

    logs.configure(settings.log_level, settings.log_format)
    try:
        app = create_app(settings)
    except SettingsError as error:
        given.refuse(str(error))
    node = app.state.node
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        loop="uvloop",
        http=DoorProtocol,
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
    config.load()
    spare_the_collector()
    server = DrainingServer(config, node.endpoint.node.begin_drain, node.give_notice)
    server.run([sharing_socket(host, port)] if shares_port else None)
    if not server.started:
        sys.exit(1)


def sharing_socket(host: str, port: int) -> socket.socket:
    """Return a socket on the port; the kernel spreads connections over those that listen."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    shared = socket.socket(family, socket.SOCK_STREAM)
    shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    shared.bind((host, port))
    return shared


def _raise_file_limit() -> None:
    """Allow as many open sockets as this process may have at all."""
    import resource

    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
