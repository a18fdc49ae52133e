"""The API's documents, for programs and for people: both come from the tables that route."""

import functools
import html
import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from server import events
from server.kernel import asyncapi, openapi
from server.kernel.channel import TypedChannel
from server.kernel.endpoint import Operation

TITLE = "Lumen"
VERSION = "0.1.0"
ABOUT = (
    "News as slides, cards and live counters. Lists are "
    "`{items, cursor, next_cursor, has_more}`; a cursor is the same on the socket and here; "
    "refusals are RFC 9457 problem documents."
)
JSON = "application/json"


def routes(
    operations: Sequence[Operation], channels: Mapping[str, type[TypedChannel]]
) -> list[Route]:
    """Give the routes of the documents; each is written once, at the first request."""

    @functools.cache
    def open_document() -> Any:
        return openapi.document(TITLE, VERSION, ABOUT, operations)

    @functools.cache
    def async_document() -> Any:
        return asyncapi.document(TITLE, VERSION, channels, events.EVENTS)

    async def openapi_json(_request: Request) -> Response:
        return Response(msgspec.json.encode(open_document()), media_type=JSON)

    async def asyncapi_json(_request: Request) -> Response:
        return Response(msgspec.json.encode(async_document()), media_type=JSON)

    async def docs(_request: Request) -> Response:
        return HTMLResponse(page(open_document(), async_document()))

    return [
        Route("/openapi.json", openapi_json, methods=["GET"]),
        Route("/asyncapi.json", asyncapi_json, methods=["GET"]),
        Route("/docs", docs, methods=["GET"]),
    ]


def page(rest: Any, socket: Any) -> str:
    """Write both documents as one page to read, without scripts."""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{TITLE} for client developers</title>
<link rel="stylesheet" href="/static/docs.css">
</head>
<body>
<header>
<h1>{TITLE} for client developers</h1>
<p>{html.escape(rest["info"]["description"])}</p>
<p>{html.escape(socket["info"]["description"])}</p>
<p><a href="/openapi.json">openapi.json</a> · <a href="/asyncapi.json">asyncapi.json</a></p>
</header>
<main>
<h2>Over HTTP</h2>
{"".join(_operation(p, m, o) for p, by in rest["paths"].items() for m, o in by.items())}
<h2>Over the socket</h2>
{"".join(_channel(channel) for channel in socket["channels"].values())}
<h2>Shapes</h2>
{"".join(_schema(n, s) for n, s in _schemas(rest, socket).items())}
</main>
</body>
</html>
"""


def _schemas(rest: Any, socket: Any) -> dict[str, Any]:
    return dict(sorted((rest["components"]["schemas"] | socket["components"]["schemas"]).items()))


def _operation(path: str, method: str, operation: Any) -> str:
    rows = "".join(
        f"<tr><td><code>{status}</code></td><td>{html.escape(answer['description'])}</td>"
        f"<td>{_content(answer)}</td></tr>"
        for status, answer in operation["responses"].items()
    )
    parameters = "".join(
        f"<li><code>{html.escape(p['name'])}</code> in {p['in']}: {_kind(p['schema'])}</li>"
        for p in operation["parameters"]
    )
    body = operation.get("requestBody")
    takes = f"<p>Takes {_content(body)}</p>" if body else ""
    signed_in = "<p>For people who are signed in.</p>" if "security" in operation else ""
    return (
        f"<section><h3><code>{method.upper()} {html.escape(path)}</code></h3>"
        f"<p>{html.escape(operation['summary'])} {html.escape(operation['description'])}</p>"
        f"{signed_in}{takes}<ul>{parameters}</ul><table>{rows}</table></section>"
    )


def _channel(channel: Any) -> str:
    ways = {"in": "client sends", "reply": "server replies", "out": "server sends"}
    rows = "".join(
        f"<tr><td>{ways.get(key.split('-')[0], 'is told')}</td>"
        f"<td><code>{html.escape(key.split('-', 1)[-1])}</code></td>"
        f"<td>{_kind(message['payload'])}</td></tr>"
        for key, message in channel["messages"].items()
    )
    about = html.escape(channel["description"])
    return (
        f"<section><h3><code>{html.escape(channel['address'])}</code></h3>"
        f"<p>{about}</p><table>{rows}</table></section>"
    )


def _schema(name: str, schema: Any) -> str:
    shown, named = html.escape(json.dumps(schema, indent=2)), html.escape(name)
    return f'<section id="{named}"><h3>{named}</h3><pre>{shown}</pre></section>'


def _content(described: Any) -> str:
    kinds = (_kind(media["schema"]) for media in described.get("content", {}).values())
    return ", ".join(kinds)


def _kind(schema: Any) -> str:
    reference = schema.get("$ref")
    if reference:
        name = html.escape(reference.rsplit("/", 1)[1])
        return f'<a href="#{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(_kind(each) for each in schema["anyOf"])
    return f"<code>{html.escape(str(schema.get('type', 'anything')))}</code>"
