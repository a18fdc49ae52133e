"""An issuer of sign-ins, as OpenID Connect has them: code flow with PKCE, state and nonce.

What travels and what is checked is Authlib's and joserfc's word; here is what is asked of whom,
how long it may take, and for how long an answer is kept.
"""

import secrets
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx2
import msgspec
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from msgspec import Struct

from server.kernel.clock import Clock
from server.kernel.problems import Unavailable
from server.kernel.services import OidcClient

SECONDS = 5.0
MOST_BYTES = 256 * 1024
# Issuers announce a key before they sign with it; an unknown one is asked for at most so often.
KEYS_KEPT = timedelta(hours=1)
KEYS_AGAIN = timedelta(seconds=60)
LEEWAY_SECONDS = 60
ALGORITHMS = ["RS256", "ES256"]


class IssuerRefused(Exception):
    """The issuer's answer is not to be believed, or it did not let the person in."""


class Endpoints(Struct, frozen=True):
    """Where an issuer is asked what (OpenID Connect Discovery 1.0, section 3)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str


class Tokens(Struct, frozen=True):
    """What a code is exchanged for."""

    id_token: str
    access_token: str = ""


class Identity(Struct, frozen=True):
    """Whom the issuer says that it has before it."""

    sub: str
    email: str = ""
    email_verified: bool = False
    name: str = ""


class Attempt(Struct, frozen=True):
    """One way to the issuer and back: what only this browser knows of it."""

    state: str
    nonce: str
    verifier: str
    ends_at: int

    @classmethod
    def begin(cls, ends_at: datetime) -> "Attempt":
        """Make one out of nothing but chance."""
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        return cls(state, nonce, verifier, int(ends_at.timestamp()))


class Issuer:
    """Asks one issuer, and keeps what it said of itself for a while."""

    def __init__(self, client: OidcClient, redirect_uri: str, clock: Clock) -> None:
        self._client = client
        self._redirect_uri = redirect_uri
        self._clock = clock
        self._http = httpx2.AsyncClient(timeout=SECONDS, follow_redirects=False)
        self._endpoints: Endpoints | None = None
        self._keys: KeySet | None = None
        self._keys_at: datetime | None = None

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    @property
    def name(self) -> str:
        """The issuer's own name for itself."""
        return self._client.issuer

    async def way_in(self, attempt: Attempt) -> str:
        """Give the address at which a person signs in.

        Raises:
            Unavailable: the issuer does not answer.

        """
        endpoints = await self._discover()
        uri: str = prepare_grant_uri(
            endpoints.authorization_endpoint,
            client_id=self._client.client_id,
            response_type="code",
            redirect_uri=self._redirect_uri,
            scope="openid email profile",
            state=attempt.state,
            nonce=attempt.nonce,
            code_challenge=create_s256_code_challenge(attempt.verifier),
            code_challenge_method="S256",
        )
        return uri

    async def identity(self, code: str, attempt: Attempt) -> Identity:
        """Exchange a code for the word of the issuer, and check it.

        Raises:
            IssuerRefused: the code is not good, or what came for it is not to be believed.
            Unavailable: the issuer does not answer.

        """
        endpoints = await self._discover()
        given = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect_uri,
            "client_id": self._client.client_id,
            "client_secret": self._client.client_secret,
            "code_verifier": attempt.verifier,
        }
        raw = await self._ask("POST", endpoints.token_endpoint, given)
        try:
            tokens = msgspec.json.decode(raw, type=Tokens)
        except msgspec.DecodeError as error:
            raise IssuerRefused("The answer holds no id token.") from error
        return await self._believed(tokens, attempt)

    async def _believed(self, tokens: Tokens, attempt: Attempt) -> Identity:
        claims = await self._read(tokens.id_token)
        checked = CodeIDToken(
            claims.claims,
            claims.header,
            options={
                "iss": {"essential": True, "value": self._client.issuer},
                "aud": {"essential": True, "value": self._client.client_id},
            },
            params={
                "nonce": attempt.nonce,
                "client_id": self._client.client_id,
                "access_token": tokens.access_token,
            },
        )
        try:
            checked.validate(now=int(self._clock.now().timestamp()), leeway=LEEWAY_SECONDS)
            return msgspec.convert(dict(checked), Identity)
        except (JoseError, msgspec.ValidationError) as error:
            raise IssuerRefused("The id token is not good.") from error

    async def _read(self, id_token: str) -> jwt.Token:
        """Check the signature; a key that is not known may have come since they were read."""
        for fresh in (False, True):
            keys = await self._signing_keys(fresh=fresh)
            if keys is None:
                break
            try:
                return jwt.decode(id_token, keys, algorithms=ALGORITHMS)
            except (JoseError, ValueError):
                continue
        raise IssuerRefused("The id token is not signed by the issuer.")

    async def _signing_keys(self, *, fresh: bool) -> KeySet | None:
        now, keys, read_at = self._clock.now(), self._keys, self._keys_at
        age = now - read_at if read_at else KEYS_KEPT
        if keys is not None and not fresh and age < KEYS_KEPT:
            return keys
        if fresh and age < KEYS_AGAIN:
            return None
        endpoints = await self._discover()
        raw = await self._ask("GET", endpoints.jwks_uri)
        try:
            self._keys = KeySet.import_key_set(msgspec.json.decode(raw))
        except (msgspec.DecodeError, JoseError, ValueError, KeyError, TypeError) as error:
            raise Unavailable("The issuer's keys cannot be read.") from error
        self._keys_at = now
        return self._keys

    async def _discover(self) -> Endpoints:
        if self._endpoints is None:
            where = f"{self._client.issuer.rstrip('/')}/.well-known/openid-configuration"
            raw = await self._ask("GET", where)
            try:
                found = msgspec.json.decode(raw, type=Endpoints)
            except msgspec.DecodeError as error:
                raise Unavailable("The issuer does not say where to ask.") from error
            self._endpoints = self._checked(found)
        return self._endpoints

    def _checked(self, found: Endpoints) -> Endpoints:
        asked = urlsplit(self._client.issuer).scheme
        named = (found.authorization_endpoint, found.token_endpoint, found.jwks_uri)
        # An issuer over TLS must not lead us, or the person, to where there is none.
        if found.issuer != self._client.issuer or any(
            urlsplit(where).scheme not in {"https", asked} for where in named
        ):
            raise Unavailable("The issuer is not who it should be.")
        return found

    async def _ask(self, method: str, where: str, given: dict[str, Any] | None = None) -> bytes:
        try:
            async with self._http.stream(method, where, data=given) as answer:
                body = bytearray()
                async for chunk in answer.aiter_bytes():
                    body += chunk
                    if len(body) > MOST_BYTES:
                        raise Unavailable("The issuer says too much.")
                if answer.is_client_error and given is not None:
                    raise IssuerRefused("The issuer does not take the code.")
                if not answer.is_success:
                    raise Unavailable("The issuer does not answer as it should.")
                return bytes(body)
        except httpx2.HTTPError as error:
            raise Unavailable("The issuer does not answer.") from error
