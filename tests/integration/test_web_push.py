"""Browsers are told: encrypted for them alone, once, and through public addresses only."""

import base64
import secrets
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from uuid import UUID

import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from msgspec.structs import replace
from starlette.applications import Starlette

from jobs import schedule
from jobs.notify.push_job import SendAgain, push
from jobs.notify.web_push import WebPush
from server import notifications
from server.kernel.ids import new_id
from server.kernel.outbox import by_topic
from server.kernel.problems import Malformed
from server.kernel.relay import Relay
from server.kernel.services import Services
from server.kernel.viewer import Viewer
from server.notifications import PUSH, Notice, PushOne, Subscription, reactions, sending
from server.notifications.vapid import Keys, Subscribe, check
from tests.integration.conftest import client_of
from tests.people import a_user

pytestmark = pytest.mark.anyio


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


KEY = b64(secrets.token_bytes(31) + b"\x01")


class Browser:
    """A browser: it has keys, and reads what its push service was sent (RFC 8291)."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.secret = secrets.token_bytes(16)
        self.point = self._key.public_key().public_bytes(
            Encoding.X962, PublicFormat.UncompressedPoint
        )

    def open(self, body: bytes) -> Any:
        salt, size, length = body[:16], int.from_bytes(body[16:20]), body[20]
        sender = body[21 : 21 + length]
        sealed = body[21 + length :]
        assert len(sealed) <= size
        shared = self._key.exchange(
            ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), sender)
        )
        about = b"WebPush: info\x00" + self.point + sender
        ikm = _hkdf(shared, self.secret, about, 32)
        key = _hkdf(ikm, salt, b"Content-Encoding: aes128gcm\x00", 16)
        nonce = _hkdf(ikm, salt, b"Content-Encoding: nonce\x00", 12)
        plain = AESGCM(key).decrypt(nonce, sealed, None)
        return msgspec.json.decode(plain.rstrip(b"\x00")[:-1])


def _hkdf(secret: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    return HKDF(hashes.SHA256(), length, salt, info).derive(secret)


class PushServer:
    """A push service on this machine that keeps what it was sent."""

    def __init__(self) -> None:
        self.status = 201
        self.asked: list[tuple[str, dict[str, str], bytes]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                outer.asked.append((self.path, headers, body))
                self.send_response(outer.status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def service() -> Iterator[PushServer]:
    server = PushServer()
    yield server
    server.stop()


class Nobody:
    """Takes broadcasts for nobody."""

    async def broadcast(self, topic: str, event: str, payload: object) -> None:
        """Tell nobody."""


@pytest.fixture
def keyed(services: Services) -> Services:
    policy = replace(services.policy, vapid_private_key=KEY, vapid_subject="mailto:op@example.org")
    return replace(services, policy=policy)


async def told(services: Services, owner: Viewer, actor: Viewer, kind: Any = "mention") -> UUID:
    """Have somebody told of something, and all that follows from it done."""
    assert owner.id
    async with services.write() as db:
        notice = Notice(
            user_id=owner.id, kind=kind, actor_id=actor.id, target_id=new_id(), excerpt="Look here"
        )
        (written,) = await notifications.notify(db, [notice], services.clock.now())
    relay = Relay(services.with_publisher(Nobody()), by_topic(reactions.reactions))
    while await relay.deliver():
        pass
    return written


async def people(services: Services, browser: Browser, endpoint: str) -> tuple[Viewer, Viewer]:
    async with services.write() as db:
        ada, bob = await a_user(db, "ada"), await a_user(db, "bob")
        assert ada.id
        await notifications.subscribe(db, ada.id, endpoint, browser.point, browser.secret)
    return ada, bob


@pytest.mark.row("T-17")
async def test_a_browser_is_told_once_and_only_it_can_read_it(
    keyed: Services, service: PushServer
) -> None:
    browser = Browser()
    ada, bob = await people(keyed, browser, f"{service.url}/send/1")
    written = await told(keyed, ada, bob)
    assert (await keyed.queue.depths())["mail"].waiting == 1
    assert ada.id
    args = PushOne(ada.id, written, 1)
    await push(keyed, args)
    await push(keyed, args)

    ((path, headers, body),) = service.asked
    assert path == "/send/1"
    assert (headers["content-encoding"], headers["topic"]) == ("aes128gcm", written.hex)
    assert b"bob" not in body.lower()
    message = browser.open(body)
    assert message["said"] == "Bob mentioned you: Look here"
    assert message["id"] == str(written)
    scheme, _, pairs = headers["authorization"].partition(" ")
    token, key = (pair.strip()[2:] for pair in pairs.split(","))
    assert scheme == "vapid"
    assert key == notifications.public_key(keyed.policy)
    point = base64.urlsafe_b64decode(key + "==")
    claims = jwt.decode(
        token,
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point),
        algorithms=["ES256"],
        audience=service.url,
    )
    assert claims["sub"] == "mailto:op@example.org"


async def test_what_was_seen_or_is_a_mere_like_lights_up_no_telephone(
    keyed: Services, service: PushServer
) -> None:
    ada, bob = await people(keyed, Browser(), service.url)
    await told(keyed, ada, bob, "like")
    assert (await keyed.queue.depths())["mail"].waiting == 0
    written = await told(keyed, ada, bob)
    async with keyed.write() as db:
        await notifications.mark_seen(db, ada)
    assert ada.id
    await push(keyed, PushOne(ada.id, written, 1))
    assert service.asked == []


@pytest.mark.parametrize("status", [404, 410])
async def test_a_browser_that_is_gone_is_forgotten(
    keyed: Services, service: PushServer, status: int
) -> None:
    ada, bob = await people(keyed, Browser(), service.url)
    service.status = status
    assert ada.id
    await push(keyed, PushOne(ada.id, await told(keyed, ada, bob), 1))
    async with keyed.database.read() as db:
        assert await notifications.subscriptions(db, ada.id) == []


async def test_a_service_that_is_busy_is_asked_again(keyed: Services, service: PushServer) -> None:
    ada, bob = await people(keyed, Browser(), service.url)
    service.status = 503
    assert ada.id
    args = PushOne(ada.id, await told(keyed, ada, bob), 1)
    with pytest.raises(SendAgain):
        await push(keyed, args)
    service.status = 201
    await push(keyed, args)
    assert len(service.asked) == 2


async def test_what_a_lost_queue_forgot_is_queued_by_the_sweep(
    keyed: Services, service: PushServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, bob = await people(keyed, Browser(), service.url)
    await told(keyed, ada, bob)
    await keyed.redis.flushall()
    monkeypatch.setattr(sending, "UNSENT_AFTER", timedelta(0))
    await schedule.ring_late(keyed)
    assert (await keyed.queue.depths())[PUSH.queue].waiting == 1


@pytest.mark.parametrize(
    "endpoint", ["https://10.0.0.1/x", "https://169.254.169.254/latest", "https://[::1]/x"]
)
async def test_an_endpoint_that_is_not_public_is_not_connected_to(
    keyed: Services, endpoint: str
) -> None:
    browser = Browser()
    policy = replace(keyed.policy, fetch_private_addresses=False)
    to = Subscription(new_id(), endpoint, browser.point, browser.secret)
    sent = await WebPush(policy, keyed.clock).send(to, b"{}", topic="t")
    assert sent == "refused"


async def test_without_a_key_nobody_subscribes(app: Starlette) -> None:
    async with client_of(app) as client:
        answer = await client.get("/push/key")
        assert answer.status_code == 404
        answer = await client.post("/push/subscriptions", json={})
        assert answer.status_code == 401


async def test_subscriptions_are_looked_at(services: Services) -> None:
    browser = Browser()
    policy = replace(services.policy, fetch_private_addresses=False)
    good = Subscribe("https://push.example/1", Keys(b64(browser.point), b64(browser.secret)))
    assert check(policy, good) == (good.endpoint, browser.point, browser.secret)
    for bad in (
        replace(good, endpoint="http://push.example/1"),
        replace(good, endpoint="https://u:p@push.example/1"),
        replace(good, endpoint="https:///x"),
        replace(good, endpoint="https://push.example/" + "x" * 1000),
        replace(good, keys=Keys(b64(browser.point[:-1]), b64(browser.secret))),
        replace(good, keys=Keys(b64(browser.point), b64(b"short"))),
        replace(good, keys=Keys("%%%", b64(browser.secret))),
    ):
        with pytest.raises(Malformed):
            check(policy, bad)
