"""The long poll of Phoenix: for where websockets are blocked. Any node answers any poll.

Every answer has HTTP status 200; the one that counts is `status` in its body.
"""

import asyncio
import base64
import binascii
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from msgspec import Struct

from realtime.channel import Refused
from realtime.handshake import params
from realtime.node import Node
from realtime.socket import ConnectRefused, Hub
from realtime.telemetry import MalformedReceived
from realtime.token import Token, TokenRefused
from realtime.transports.admission import Receive, Scope, Send, admit, header, origin_fits
from realtime.transports.http import BodyRefused, answer, preflight, read_body, until_gone
from realtime.transports.poll_relay import PollRelay
from realtime.transports.poll_session import AGAIN, GONE, NOTHING, Answer, PollSession

FORBIDDEN, TOO_MUCH = 403, 413
_PURPOSE = "longpoll"
_TOKEN_AGE_S = 1_209_600.0  # two weeks; a session ends long before
_AFTER_OUTAGE_S = 1.0
_HEADERS = (("access-control-allow-origin", "*"), ("cache-control", "no-store"))
_NDJSON = "application/x-ndjson"


class _Session(Struct, frozen=True, array_like=True):
    """What the token of a session says."""

    owner: str
    id: str


class LongPollTransport:
    """The ASGI app of long polls; mount it beside the websocket, as `…/longpoll`."""

    def __init__(self, node: Node, hub: Hub, name: str, token: Token) -> None:
        self._relay = PollRelay(node, hub, name, self._here)
        self._node = node
        self._name = name
        self._token = token
        self._sessions: dict[str, PollSession] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            raise RuntimeError("the long poll serves HTTP; mount it as such")
        method = scope["method"]
        if method == "OPTIONS":
            await answer(send, HTTPStatus.OK, None, preflight(scope, "get, post, options"))
        elif method not in ("GET", "POST"):
            await answer(send, HTTPStatus.BAD_REQUEST, None, _HEADERS)
        else:
            body = await self._body(scope, receive)
            if body is not None:
                await answer(send, HTTPStatus.OK, body, _HEADERS)

    async def _body(self, scope: Scope, receive: Receive) -> dict[str, Any] | None:
        if not origin_fits(self._node, scope):
            self._node.refused("origin")
            return {"status": FORBIDDEN}
        if scope["method"] == "POST":
            return {"status": await self._send(scope, receive)}
        return await self._poll(scope, receive)

    # Server to client.

    async def _poll(self, scope: Scope, receive: Receive) -> dict[str, Any] | None:
        text, session = self._session(scope)
        if session is None:
            return await self._open(scope)
        polled = await _unless_gone(self._ask(session, None), receive)
        if polled is None:
            return None
        if polled.status == GONE:
            return await self._open(scope)
        return {"status": polled.status, "token": text, "messages": polled.messages}

    async def _open(self, scope: Scope) -> dict[str, Any]:
        """Begin a session. Phoenix tells of it with the status that also says `gone`."""
        began = asyncio.get_running_loop().time()
        if self._node.draining is not None:
            return {"status": AGAIN}
        if len(self._sessions) >= self._node.limits.max_polls:
            self._node.refused("too many polls", HTTPStatus.SERVICE_UNAVAILABLE)
            return {"status": AGAIN}
        token = header(scope, b"x-phoenix-authtoken") or None
        try:
            socket, serializer = await admit(self._node, scope, token, transport="longpoll")
        except ConnectRefused as refusal:
            busy = refusal.status >= HTTPStatus.INTERNAL_SERVER_ERROR
            return {"status": AGAIN if busy else FORBIDDEN}
        session = PollSession(self._node, socket, serializer, self._forget)
        self._sessions[session.id] = session
        self._relay.hold()
        session.opened(seconds=asyncio.get_running_loop().time() - began)
        text = self._token.sign(_PURPOSE, _Session(self._name, session.id), max_age_s=_TOKEN_AGE_S)
        return {"status": GONE, "token": text, "messages": ()}

    # Client to server.

    async def _send(self, scope: Scope, receive: Receive) -> int:
        _, session = self._session(scope)
        if session is None:
            return GONE
        try:
            body = await read_body(scope, receive, self._node.limits.max_batch_bytes)
        except BodyRefused:
            return self._too_much()
        messages = _messages(header(scope, b"content-type"), body)
        if len(messages) > self._node.limits.max_batch:
            return self._too_much()
        return (await self._ask(session, messages)).status

    def _too_much(self) -> int:
        """Refuse a batch as a whole: Phoenix drops what is over, and answers 200."""
        self._node.telemetry.emit(MalformedReceived("a batch that is too long"))
        return TOO_MUCH

    # Whichever node it is.

    async def _ask(self, session: _Session, messages: Sequence[str | bytes] | None) -> Answer:
        if session.owner == self._name:
            return await self._here(session.id, messages)
        try:
            return await self._relay.ask(session.owner, session.id, messages)
        except Refused:  # nothing gets through between the nodes
            if messages is not None:
                return Answer(GONE)
            await asyncio.sleep(_AFTER_OUTAGE_S)
            return Answer(NOTHING)

    def _here(
        self, session_id: str, messages: Sequence[str | bytes] | None
    ) -> asyncio.Future[Answer]:
        session = self._sessions.get(session_id)
        if session is not None and messages is None:
            return session.poll()
        answered: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        answered.set_result(
            Answer(GONE) if session is None or messages is None else session.receive(messages)
        )
        return answered

    def _session(self, scope: Scope) -> tuple[str, _Session | None]:
        text = header(scope, b"x-phoenix-longpoll-token")
        try:
            text = text or params(scope["query_string"]).get("token", "")
            return text, self._token.verify(_PURPOSE, str(text), type=_Session)
        except (TokenRefused, ValueError):
            return "", None

    def _forget(self, session_id: str) -> None:
        if self._sessions.pop(session_id, None) is not None:
            self._relay.release()


async def _unless_gone(asked: Any, receive: Receive) -> Answer | None:
    """Return the answer, or nothing if the client hangs up before."""
    answered: asyncio.Future[Answer] = asyncio.ensure_future(asked)
    gone = asyncio.ensure_future(until_gone(receive))
    try:
        await asyncio.wait((answered, gone), return_when=asyncio.FIRST_COMPLETED)
        return answered.result() if answered.done() else None
    finally:
        answered.cancel()
        gone.cancel()


def _messages(content_type: str, body: bytes) -> list[str | bytes]:
    """Take a batch apart; anything but ndjson is one message, as in version 1."""
    if content_type.partition(";")[0].strip().lower() != _NDJSON:
        return [_text(body)]
    return [_message(line) for line in body.splitlines() if line]


def _message(line: bytes) -> str | bytes:
    """A line that begins with a bracket is text, and any other is base64 of a binary frame."""
    if not line.startswith(b"["):
        try:
            return base64.b64decode(line, validate=True)
        except (binascii.Error, ValueError):
            pass
    return _text(line)


def _text(data: bytes) -> str | bytes:
    """Text where it is text; bytes that are none the serializer will call malformed."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data
