"""Structured log lines: an event's name, its facts, and the request it belongs to.

No token, password, e-mail address or query string may reach a line: what carries such a name is
struck out by the last processor, whoever wrote it.
"""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

_SECRET = re.compile(
    r"token|password|secret|authorization|cookie|email|api_key|dsn|query|database_url|redis_url"
)
_ADDRESS = re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+")
_BEARER = re.compile(r"eyJ[\w-]{8,}\.[\w-]+\.[\w-]+")
_CREDENTIALS = re.compile(r"(\w+://)[^/\s:@]*:[^/\s@]+@")
# PostgreSQL repeats the row that it refuses.
_HASH = re.compile(r"\$(?:argon2\w*|2[aby])\$[^\s,'\")]+")
STRUCK = "[struck]"


def strike(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Strike out what must not be kept: by its name, and in texts by its look."""
    for name, value in line.items():
        if _SECRET.search(name.lower()):
            line[name] = STRUCK
        elif isinstance(value, str):
            line[name] = _struck(value)
    return line


def _struck(text: str) -> str:
    text = _CREDENTIALS.sub(rf"\1{STRUCK}@", text)
    text = _HASH.sub(STRUCK, text)
    return _BEARER.sub(STRUCK, _ADDRESS.sub(STRUCK, text))


def configure(level: str, style: str) -> None:
    """Send every log line of this process, and of its libraries, to standard error."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        strike,
    ]
    renderer: Any = structlog.processors.JSONRenderer()
    if style == "text":
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processor=renderer)
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # Their info lines are a line per request or per job, which ours already are.
    for noisy in ("uvicorn.access", "httpx2", "httpcore2", "rq.worker", "botocore", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def log(name: str) -> Any:
    """Give a logger; its lines are events such as `request_done`, with facts as keywords."""
    return structlog.get_logger(name)
