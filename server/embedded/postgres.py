"""PostgreSQL 18 with pgvector over one data folder, from initdb to clean stop."""

import os
import shutil
import signal
import subprocess
from pathlib import Path
from tempfile import NamedTemporaryFile
from urllib.parse import quote

from server.embedded import ports, process
from server.embedded.binaries import postgres_binary
from server.embedded.failures import EmbeddedError
from server.embedded.home import Home
from server.embedded.identity import Identity, choose

USER = "lumen"
DATABASE = "lumen"
VERSION = "18"

_START_SECONDS = 300.0  # after a crash it replays its log before it answers
_STOP_SECONDS = 15.0
_PORT_ATTEMPTS = 5
_ENVIRON = {"LC_ALL": "C", "TZ": "UTC", "PATH": os.defpath, "PGCONNECT_TIMEOUT": "10"}
_SETTINGS = {
    "listen_addresses": ports.LOOPBACK,
    "unix_socket_directories": "",  # a deep folder would not fit into a socket's 107 bytes
    "max_connections": "200",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
# For data that is thrown away with the test that made it.
_RECKLESS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "autovacuum": "off",
}


class PostgresServer:
    """One server over `home/postgres`; it dies with the process that started it."""

    name = "PostgreSQL"

    def __init__(self, home: Home, *, durable: bool = True) -> None:
        self._home = home
        self._durable = durable
        self._data = home.folder("postgres")
        self._password = home.secret("postgres")
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    @property
    def pid(self) -> int | None:
        """The postmaster's process while it runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def url(self, database: str = DATABASE) -> str:
        """Where a client reaches a database of this server."""
        return (
            f"postgresql://{USER}:{quote(self._password)}@{ports.LOOPBACK}:{self.port}/{database}"
        )

    def exists(self) -> bool:
        """Whether the data folder has been made."""
        return self._data.joinpath("PG_VERSION").is_file()

    def create(self) -> None:
        """Make the data folder if there is none; what is there whole is left alone."""
        if self.exists():
            self._check_version()
            return
        # A start that is killed here leaves a draft, never a folder that only looks finished.
        draft = self._home.folder("postgres.new")
        process.end_leftovers(draft, "postgres", signal.SIGKILL, _STOP_SECONDS)
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        identity = choose(draft, postgres_binary("initdb"))
        identity.own(draft)
        with NamedTemporaryFile("w", prefix="lumen-") as words:
            words.write(self._password)
            words.flush()
            if identity.user is not None:
                os.chown(words.name, identity.user, -1)
            self._initdb(draft, Path(words.name), identity)
        draft.replace(self._data)

    def _check_version(self) -> None:
        version = self._data.joinpath("PG_VERSION").read_text("ascii").strip()
        if version != VERSION:
            raise EmbeddedError(
                f"{self._data} was made by PostgreSQL {version}, and this is {VERSION}: dump it "
                "with the old one, or start anew with another LUMEN_HOME."
            )

    def _initdb(self, draft: Path, words: Path, identity: Identity) -> None:
        command: list[str | Path] = [
            postgres_binary("initdb"),
            "-D",
            draft,
            "-U",
            USER,
            f"--pwfile={words}",
        ]
        command += ["--auth=scram-sha-256", "--encoding=UTF8", "--no-instructions"]
        command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-locale"]
        command += [] if self._durable else ["--no-sync"]
        log = self._home.log("initdb")
        with log.open("wb") as output:
            if process.spawn(_program(command, signal.SIGKILL, identity), output).wait() != 0:
                raise EmbeddedError(f"initdb failed; the end of {log}:\n{_tail(log)}")

    def start(self) -> None:
        """Start over the data folder and return when connections are accepted.

        Raises:
            EmbeddedError: it does not come up; the message holds the end of its log.

        """
        self.create()
        self._clear_leftovers()
        kept = self.port  # started again it keeps its port, or its clients would not find it
        for _ in range(1 if kept else _PORT_ATTEMPTS):
            self.port = kept or ports.remembered(self._home.folder("postgres.port"))
            if self._launch():
                break
        else:
            log = self._home.log("postgres")
            raise EmbeddedError(f"PostgreSQL does not start; the end of {log}:\n{_tail(log)}")
        self._make_database()

    def _clear_leftovers(self) -> None:
        process.end_leftovers(self._data, "postgres", signal.SIGINT, _STOP_SECONDS)
        # Nobody lives in the data now. A pid file still there names a process long gone, or a
        # stranger who has since been given its number, and PostgreSQL would believe it.
        self._data.joinpath("postmaster.pid").unlink(missing_ok=True)

    def _launch(self) -> bool:
        settings = _SETTINGS | {"port": str(self.port)} | ({} if self._durable else _RECKLESS)
        command: list[str | Path] = [postgres_binary("postgres"), "-D", self._data]
        command += [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        identity = choose(self._data, postgres_binary("postgres"))
        identity.own(self._data)
        with self._home.log("postgres").open("ab") as output:
            self._process = process.spawn(_program(command, signal.SIGINT, identity), output)
        if not process.wait_until(lambda: self.pid is None or self.is_ready(), _START_SECONDS):
            self.stop()
            raise EmbeddedError(f"PostgreSQL did not get ready in {_START_SECONDS:.0f} s.")
        return self.pid is not None

    def is_ready(self) -> bool:
        """Whether connections are accepted at this moment."""
        if self.pid is None:
            return False
        command = [str(postgres_binary("pg_isready")), "-q", "-h", ports.LOOPBACK]
        return _run([*command, "-p", str(self.port)]).returncode == 0

    def _make_database(self) -> None:
        known = self.psql("postgres", f"SELECT 1 FROM pg_database WHERE datname = '{DATABASE}'")  # noqa: S608
        if not known:
            self.psql("postgres", f"CREATE DATABASE {DATABASE}")

    def psql(self, database: str, statement: str) -> str:
        """Run one statement of ours as the owner; what it answers, unaligned."""
        command = [str(postgres_binary("psql")), "-X", "-A", "-t", "-v", "ON_ERROR_STOP=1"]
        command += ["-h", ports.LOOPBACK, "-p", str(self.port), "-U", USER, "-d", database]
        done = _run([*command, "-c", statement], {"PGPASSWORD": self._password})
        if done.returncode != 0:
            raise EmbeddedError(f"PostgreSQL refused {statement!r}: {done.stderr.strip()}")
        return done.stdout.strip()

    def ask_to_stop(self) -> None:
        """Begin a clean stop, without waiting for it."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)

    def stop(self) -> None:
        """Stop cleanly: clients are cut, data is flushed."""
        if self._process is not None:
            process.end(self._process, signal.SIGINT, _STOP_SECONDS)
            self._process = None

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is not None:
            process.end(self._process, signal.SIGKILL, _STOP_SECONDS)
            self._process = None


def _run(
    command: list[str], more: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    environ = _ENVIRON | (more or {})
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False)  # noqa: S603


def _tail(log: Path, lines: int = 15) -> str:
    text = log.read_text("utf-8", "replace") if log.exists() else ""
    return "\n".join(text.splitlines()[-lines:])


def _program(
    command: list[str | Path], death_signal: signal.Signals, identity: Identity
) -> process.Program:
    return process.Program(
        command=command,
        environ=_ENVIRON,
        death_signal=death_signal,
        identity=identity,
        folder=Path("/"),  # another user may not be let into ours
    )
