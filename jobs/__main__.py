"""`python -m jobs work --queues ingest embed` and `python -m jobs pulse`."""

import argparse
import os
import sys
from pathlib import Path

from server.bootstrap import required_urls, services_of
from server.kernel import metrics
from server.kernel.logs import configure
from server.kernel.queue import QUEUES
from server.settings import Settings, SettingsError, load


def main(arguments: list[str]) -> None:
    """Become a worker of some queues, or the pulse."""
    options = _parser().parse_args(arguments)
    try:
        settings = load(dotenv=Path(".env"))
        required_urls(settings)
    except SettingsError as error:
        sys.exit(str(error))
    configure(settings.log_level, settings.log_format)
    # Beneath a supervisor it is the supervisor that shows the metrics of all.
    if settings.metrics_port is not None and metrics.SHARED_FOLDER not in os.environ:
        metrics.listen(settings.host, settings.metrics_port)
    if options.what == "pulse":
        _pulse(settings)
    else:
        _work(settings, options.queues)


def _work(settings: Settings, queues: list[str]) -> None:
    from jobs.worker import Worker, until_told  # noqa: PLC0415 - the pulse loads no RQ worker

    _, redis_url = required_urls(settings)
    until_told(Worker(redis_url, queues, lambda: services_of(settings)))


def _pulse(settings: Settings) -> None:
    from jobs.pulse import run  # noqa: PLC0415 - a worker loads neither fold nor relay

    database_url, redis_url = required_urls(settings)
    run(
        lambda: services_of(settings),
        listen_url=settings.database_listen_url or database_url,
        redis_url=redis_url,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m jobs", description=__doc__)
    commands = parser.add_subparsers(dest="what", required=True)
    work = commands.add_parser("work", help="do the jobs of some queues")
    work.add_argument("--queues", nargs="+", choices=QUEUES, default=list(QUEUES))
    commands.add_parser("pulse", help="fold counters, relay events and schedule jobs")
    return parser


if __name__ == "__main__":
    main(sys.argv[1:])
