"""An OpenID issuer on loopback, as strict as a real one, whose word a test may bend."""

import base64
import hashlib
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import msgspec
from joserfc import jwt
from joserfc.jwk import RSAKey
from typing_extensions import override

CLIENT_ID = "lumen.apps.test"
CLIENT_SECRET = "a secret between the two"


def _key() -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": secrets.token_hex(4), "use": "sig"}, auto_kid=False)


@dataclass
class Person:
    """Whom the issuer has before it."""

    sub: str = "1001"
    email: str = "grace@example.org"
    email_verified: bool = True
    name: str = "Grace Hopper"


@dataclass
class Word:
    """What of its word the issuer bends."""

    claims: dict[str, Any] = field(default_factory=dict)
    signs_with: RSAKey | None = None
    algorithm: str = "RS256"


@dataclass
class Issuer:
    """Keeps codes until they are exchanged, once, with the right verifier."""

    url: str = ""
    key: RSAKey = field(default_factory=_key)
    person: Person = field(default_factory=Person)
    word: Word = field(default_factory=Word)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def rotate(self) -> None:
        """Sign with another key from now on, and publish only that."""
        self.key = _key()

    def let_in(self, authorization_url: str) -> str:
        """Be the person at the issuer's page; gives where they are sent back to."""
        parts = urlsplit(authorization_url)
        assert f"{parts.scheme}://{parts.netloc}" == self.url
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        assert asked["client_id"] == CLIENT_ID
        assert asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256"
        assert "openid" in asked["scope"].split()
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"

    def exchange(self, given: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """Be the token endpoint."""
        asked = self.codes.pop(given.get("code", ""), None)
        known = (given.get("client_id"), given.get("client_secret")) == (CLIENT_ID, CLIENT_SECRET)
        digest = hashlib.sha256(given.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if asked is None or not known or asked["redirect_uri"] != given["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        if asked["code_challenge"] != challenge:
            return 400, {"error": "invalid_grant"}
        now = int(time.time())
        claims = {
            "iss": self.url,
            "aud": CLIENT_ID,
            "sub": self.person.sub,
            "iat": now,
            "exp": now + 3600,
            "nonce": asked["nonce"],
            "email": self.person.email,
            "email_verified": self.person.email_verified,
            "name": self.person.name,
        }
        claims |= self.word.claims
        claims = {name: value for name, value in claims.items() if value is not None}
        key = self.word.signs_with or self.key
        header = {"alg": self.word.algorithm, "kid": key.kid}
        signed = jwt.encode(header, claims, key, algorithms=[self.word.algorithm])
        return 200, {"id_token": signed, "token_type": "Bearer"}

    def page(self, path: str) -> dict[str, Any]:
        """Be the rest of the issuer."""
        if path == "/.well-known/openid-configuration":
            return {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "jwks_uri": f"{self.url}/keys",
            }
        return {"keys": [self.key.as_dict(private=False)]}


@contextmanager
def issuing() -> Iterator[Issuer]:
    """Run an issuer while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.asked.append(self.path)
            self._answer(200, issuer.page(self.path))

        def do_POST(self) -> None:
            issuer.asked.append(self.path)
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            given = {name: values[0] for name, values in parse_qs(body).items()}
            self._answer(*issuer.exchange(given))

        def _answer(self, status: int, what: dict[str, Any]) -> None:
            raw = msgspec.json.encode(what)
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        @override
        def log_message(self, format: str, *args: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    issuer = Issuer(url=f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
