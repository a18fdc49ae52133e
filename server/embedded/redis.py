"""Redis over one data folder, from its first start to its last save."""

import os
import signal
import socket
import subprocess

from server.embedded import ports, process
from server.embedded.binaries import redis_binary
from server.embedded.failures import EmbeddedError
from server.embedded.home import Home

_START_SECONDS = 30.0
_STOP_SECONDS = 10.0
_PORT_ATTEMPTS = 5
_ANSWER_SECONDS = 1.0


class RedisServer:
    """One server over `home/redis`; it dies with the process that started it."""

    name = "Redis"

    def __init__(self, home: Home, *, durable: bool = True) -> None:
        self._home = home
        self._durable = durable
        self._data = home.folder("redis")
        self._password = home.secret("redis")
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    @property
    def pid(self) -> int | None:
        """The server's process while it runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    @property
    def url(self) -> str:
        """Where a client reaches this server."""
        return f"redis://:{self._password}@{ports.LOOPBACK}:{self.port}/0"

    def start(self) -> None:
        """Start over the data folder and return when commands are answered.

        A server that was started before keeps its port, so that its clients find it again.

        Raises:
            EmbeddedError: it does not come up; the message names its log.

        """
        self._data.mkdir(mode=0o700, exist_ok=True)
        process.end_leftovers(self._data, "redis-server", signal.SIGTERM, _STOP_SECONDS)
        kept = self.port  # started again it keeps its port, or its clients would not find it
        for _ in range(1 if kept else _PORT_ATTEMPTS):
            self.port = kept or ports.remembered(self._home.folder("redis.port"))
            if self._launch():
                return
        raise EmbeddedError(f"Redis does not start; see {self._home.log('redis')}.")

    def _launch(self) -> bool:
        # In a file and not among the arguments, which every user of the machine can read.
        config = self._data / "redis.conf"
        config.touch(0o600)
        config.write_text(self._config(), "utf-8")
        program = process.Program(
            command=[redis_binary(), config],
            environ={"PATH": os.defpath, "LC_ALL": "C"},
            death_signal=signal.SIGTERM,
        )
        with self._home.log("redis").open("ab") as output:
            self._process = process.spawn(program, output)
        process.wait_until(lambda: self.pid is None or self.is_ready(), _START_SECONDS)
        if self.is_ready():
            return True
        self.stop()
        return False

    def _config(self) -> str:
        lines = [
            f"bind {ports.LOOPBACK}",
            f"port {self.port}",
            f"requirepass {self._password}",
            f'dir "{self._data}"',
            f"appendonly {'yes' if self._durable else 'no'}",
            'save ""',
            # Queues live here: when memory is full a write fails and is seen, nothing is evicted.
            "maxmemory 512mb",
            "maxmemory-policy noeviction",
        ]
        return "\n".join(lines) + "\n"

    def is_ready(self) -> bool:
        """Whether commands are answered at this moment."""
        if self.pid is None:
            return False
        try:
            with socket.create_connection((ports.LOOPBACK, self.port), _ANSWER_SECONDS) as line:
                line.sendall(f"AUTH {self._password}\r\nPING\r\n".encode())
                answer = b""
                while answer.count(b"\r\n") < 2:  # noqa: PLR2004 (one line for each command)
                    part = line.recv(256)
                    if not part:
                        return False
                    answer += part
        except OSError:
            return False
        return answer.endswith(b"+PONG\r\n")

    def ask_to_stop(self) -> None:
        """Begin a clean stop, without waiting for it."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def stop(self) -> None:
        """Stop cleanly: what was written is on the disk."""
        if self._process is not None:
            process.end(self._process, signal.SIGTERM, _STOP_SECONDS)
            self._process = None

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is not None:
            process.end(self._process, signal.SIGKILL, _STOP_SECONDS)
            self._process = None
