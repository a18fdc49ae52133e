"""The way to browsers: a port, and behind it Web Push (RFC 8030, 8188, 8291, 8292)."""

import os
import ssl
from functools import lru_cache
from typing import Literal, Protocol, TypeAlias

import http_ece
import httpcore2
import httpx2
from cryptography.hazmat.primitives.asymmetric import ec

from jobs.ingest.addresses import NotPublic, PinnedBackend
from server.kernel.clock import Clock
from server.kernel.services import Policy
from server.notifications import Subscription, authorization

TTL_SECONDS = 3600
SECONDS = 10.0
# What every push service takes (RFC 8030, 7.2).
MOST_BYTES = 3000

Outcome: TypeAlias = Literal["sent", "gone", "refused", "later"]


class PushPort(Protocol):
    """Hands a message over to the push service of a browser."""

    async def send(self, to: Subscription, message: bytes, *, topic: str) -> Outcome:
        """Hand it over; of messages of one topic that wait there, only the last is kept.

        `gone`: the browser is known no more. `refused`: never. `later`: not just now.
        """
        ...


class WebPush:
    """Sends to push services on the public network only, whatever an endpoint claims to be."""

    def __init__(self, policy: Policy, clock: Clock) -> None:
        self._policy = policy
        self._clock = clock

    async def send(self, to: Subscription, message: bytes, *, topic: str) -> Outcome:
        """Encrypt a message for one browser and hand it over."""
        headers = {
            "content-encoding": "aes128gcm",
            "content-type": "application/octet-stream",
            "ttl": str(TTL_SECONDS),
            "topic": topic,
            "urgency": "normal",
            "authorization": authorization(self._policy, to.endpoint, self._clock.now()),
        }
        transport = _Pinned(private=self._policy.fetch_private_addresses)
        try:
            async with (
                httpx2.AsyncClient(transport=transport, trust_env=False, timeout=SECONDS) as client,
                client.stream(
                    "POST", to.endpoint, headers=headers, content=encrypted(to, message)
                ) as answer,
            ):
                return _outcome(answer.status_code)
        except (NotPublic, httpx2.InvalidURL):
            return "refused"
        except (httpx2.HTTPError, ssl.SSLError, OSError):
            return "later"


def encrypted(to: Subscription, message: bytes) -> bytes:
    """Encrypt a message so that only the browser can read it."""
    ephemeral = ec.generate_private_key(ec.SECP256R1())
    body: bytes = http_ece.encrypt(
        message[:MOST_BYTES],
        salt=os.urandom(16),
        private_key=ephemeral,
        dh=to.p256dh,
        auth_secret=to.secret,
        version="aes128gcm",
    )
    return body


def _outcome(status: int) -> Outcome:
    if httpx2.codes.is_success(status):
        return "sent"
    if status in {httpx2.codes.NOT_FOUND, httpx2.codes.GONE}:
        return "gone"
    # Redirects are not followed: a push service has no reason to send us elsewhere.
    later = status == httpx2.codes.TOO_MANY_REQUESTS or httpx2.codes.is_server_error(status)
    return "later" if later else "refused"


class _Pinned(httpx2.AsyncHTTPTransport):
    """The client's usual transport over a backend that looks at every address."""

    def __init__(self, *, private: bool) -> None:
        context = _tls()
        super().__init__(verify=context, trust_env=False)
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=context,
            max_connections=1,
            max_keepalive_connections=0,
            network_backend=PinnedBackend(private=private),
        )


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    return httpx2.create_ssl_context(trust_env=False)
