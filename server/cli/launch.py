"""One run of `lumen dev`: what is started, in which order, with which environment."""

import http.client
import os
import sys
import webbrowser
from collections.abc import Mapping

import click
from dotenv import dotenv_values

from server.cli import running
from server.cli.background import background_parts
from server.cli.console import Console
from server.cli.given import DOTENV
from server.cli.parts import PythonPart
from server.cli.supervisor import GaveUpError, Stopped, Supervisor
from server.embedded import EmbeddedError, Home, PostgresServer, RedisServer, ports
from server.settings import Settings

_WEB_SECONDS = 60.0
_WEB_STOP_SECONDS = 5.0
_ANSWER_SECONDS = 2.0
_PORTS_TRIED = 100
_OK = 200


class Launch:
    """Starts everything over one data folder and keeps it running."""

    def __init__(self, settings: Settings, home: Home) -> None:
        self._settings = settings
        self._home = home
        self._console = Console(sys.stderr)
        self._postgres = None if settings.database_url else PostgresServer(home)
        self._redis = None if settings.redis_url else RedisServer(home)
        self._port = settings.port
        self._demo: PythonPart | None = None

    def run(self, *, open_page: bool, demo: bool) -> None:
        """Start, watch and end everything; return when it has ended as asked."""
        with Supervisor(self._console) as supervisor:
            try:
                self._start(supervisor, demo=demo)
                self._greet(open_page=open_page)
                supervisor.watch(self._look_at_demo)
            except Stopped:
                pass
            except GaveUpError as error:
                raise click.ClickException(str(error)) from error
            finally:
                supervisor.settle()
                running.withdraw(self._home)
                with self._console.step("Stopping"):
                    self._stop_demo()
                    supervisor.stop()

    def _start(self, supervisor: Supervisor, *, demo: bool) -> None:
        self._console.say(f"Lumen starts; its data is in {self._home.path}")
        self._start_servers(supervisor)
        self._choose_port()
        environ = self._environ()
        running.announce(self._home, self._running(environ))
        with self._console.step("Bringing the tables up to date"):
            arguments = ["server.cli", "migrate", "up"]
            PythonPart("migrate", arguments, environ, log=self._home.log("migrate")).run()
        background = background_parts(environ, self._console)
        supervisor.start(*background, saying="Starting the workers")
        if demo:
            self._begin_demo(environ)
        supervisor.start(self._web(environ), saying="Starting the web server")

    def _start_servers(self, supervisor: Supervisor) -> None:
        if self._postgres is not None:
            if not self._postgres.exists():
                with self._console.step("Making a PostgreSQL data folder (once)"):
                    self._postgres.create()
            supervisor.start(self._postgres, saying="Starting PostgreSQL")
        if self._redis is not None:
            supervisor.start(self._redis, saying="Starting Redis")

    def _choose_port(self) -> None:
        host, wanted = self._settings.host, self._settings.port
        for port in range(wanted, min(wanted + _PORTS_TRIED, 65536)):
            if ports.is_free(port, host):
                self._port = port
                break
        else:
            raise EmbeddedError(f"No port from {wanted} on is free: set PORT to one that is.")
        if self._port != wanted:
            self._console.say(f"  Port {wanted} is taken; taking {self._port} instead.")

    @property
    def _url(self) -> str:
        host = self._settings.host
        # Listening everywhere is no address to visit.
        host = "127.0.0.1" if host in {"0.0.0.0", "::"} else host
        return f"http://{f'[{host}]' if ':' in host else host}:{self._port}"

    def _environ(self) -> dict[str, str]:
        """What the children are told on top of what we were told ourselves."""
        settings = self._settings
        told = {
            "HOST": settings.host,
            "PORT": str(self._port),
            "LUMEN_HOME": str(self._home.path),
            "DATABASE_URL": settings.database_url or "",
            "REDIS_URL": settings.redis_url or "",
            "SECRET_KEY": settings.secret_key or self._home.secret("key"),
            "PYTHONUNBUFFERED": "1",
        }
        if self._postgres is not None:
            told["DATABASE_URL"] = self._postgres.url()
        if self._redis is not None:
            told["REDIS_URL"] = self._redis.url
        # One person on one machine is many readers from one address.
        eased = {"LOG_FORMAT": "text", "RATE_LIMITS": "false"}
        written = {name: value for name, value in dotenv_values(DOTENV).items() if value}
        return {**eased, **written, **os.environ, **told}

    def _running(self, environ: Mapping[str, str]) -> running.Running:
        return running.Running(
            database_url=environ["DATABASE_URL"],
            redis_url=environ["REDIS_URL"],
            secret_key=environ["SECRET_KEY"],
            url=self._url,
        )

    def _child(self, name: str, arguments: list[str], environ: Mapping[str, str]) -> PythonPart:
        return PythonPart(name, arguments, environ, console=self._console)

    def _web(self, environ: Mapping[str, str]) -> PythonPart:
        web = self._child("web", ["server.cli", "serve"], environ)
        web.stop_seconds = _WEB_STOP_SECONDS
        return web.ready_when(self._web_answers, _WEB_SECONDS)

    def _web_answers(self) -> bool:
        host = "127.0.0.1" if self._settings.host == "0.0.0.0" else self._settings.host
        line = http.client.HTTPConnection(host, self._port, timeout=_ANSWER_SECONDS)
        try:
            line.request("GET", "/readyz")
            return line.getresponse().status == _OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            line.close()

    def _greet(self, *, open_page: bool) -> None:
        self._console.say(
            f"\nLumen is live at {self._url} after {self._console.elapsed:.1f} s. "
            "Ctrl-C stops everything.\n"
            "Add a feed of your own from another terminal: lumen source add URL\n"
        )
        if open_page:
            webbrowser.open(self._url)

    def _begin_demo(self, environ: Mapping[str, str]) -> None:
        # Made-up news has no place in a database that somebody gave us.
        if self._postgres is None or self._home.folder("demo.loaded").exists():
            return
        self._demo = self._child("demo", ["server.cli", "demo", "load"], environ)
        self._demo.launch()

    def _look_at_demo(self) -> None:
        if self._demo is None or self._demo.pid is not None:
            return
        if self._demo.exit_code == 0:
            self._home.folder("demo.loaded").touch()
            self._console.say("  The demo content is loaded; `lumen demo remove` takes it away.")
        else:
            self._console.say("  The demo content could not be loaded; the next start tries again.")
        self._demo = None

    def _stop_demo(self) -> None:
        if self._demo is not None:
            self._demo.stop()
