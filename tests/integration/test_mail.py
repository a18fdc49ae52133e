"""Letters, against a mail server that really listens."""

import asyncio
import io
import ipaddress
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from server.kernel.clock import FixedClock
from server.kernel.mail import Letter, MailRefused, MailUnavailable
from server.kernel.mail_console import ConsoleMailer
from server.kernel.mail_smtp import SmtpMailer

pytestmark = pytest.mark.anyio

LETTER = Letter("ada@example.org", "Grüße", "A link:\n\nhttp://lumen.test/#verify=x\n")
SENDER = "Lumen <mail@lumen.test>"
CLOCK = FixedClock(datetime(2026, 11, 20, 9, tzinfo=UTC))


@dataclass
class Taking:
    """What the server's hand does with a letter, and the letters it took."""

    answer: str = "250 OK"
    recipient: str = "250 OK"
    taken: list[EmailMessage] = field(default_factory=list)

    async def handle_RCPT(  # noqa: N802 - the library's name
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: list[str]
    ) -> str:
        if self.recipient.startswith("2"):
            envelope.rcpt_tos.append(address)
        return self.recipient

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        if self.answer.startswith("2"):
            letter = message_from_bytes(envelope.content, policy=policy.default)
            assert isinstance(letter, EmailMessage)
            self.taken.append(letter)
        return self.answer


@dataclass(frozen=True)
class Certificate:
    """A certificate for loopback, and who believes it."""

    serving: ssl.SSLContext
    trusting: ssl.SSLContext


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    folder: Path = tmp_path_factory.mktemp("certificate")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    pem = folder / "pem"
    encoded = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    pem.write_bytes(encoded + made.public_bytes(serialization.Encoding.PEM))
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(pem)
    return Certificate(serving, ssl.create_default_context(cafile=str(pem)))


@pytest.fixture
def hand() -> Taking:
    return Taking()


def _knows(_server: Any, _session: Any, _envelope: Any, _kind: str, given: Any) -> AuthResult:
    right = isinstance(given, LoginPassword) and given == LoginPassword(b"lumen", b"secret")
    return AuthResult(success=right)


@asynccontextmanager
async def serving(
    hand: Taking, *, tls: ssl.SSLContext | None = None, **how: Any
) -> AsyncIterator[int]:
    """A mail server while the block runs; gives its port."""

    def factory() -> SMTP:
        return SMTP(hand, hostname="mail.test", enable_SMTPUTF8=True, **how)

    server = await asyncio.get_running_loop().create_server(factory, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.fixture
async def plain(hand: Taking) -> AsyncIterator[int]:
    """A server that speaks in the open."""
    async with serving(hand) as port:
        yield port


@pytest.fixture
async def guarded(hand: Taking, certificate: Certificate) -> AsyncIterator[int]:
    """A server that wants STARTTLS first, and then a name and a password."""
    async with serving(
        hand,
        tls_context=certificate.serving,
        require_starttls=True,
        authenticator=_knows,
        auth_required=True,
    ) as port:
        yield port


def _mailer(port: int, **more: Any) -> SmtpMailer:
    given = {"security": "none", "sender": SENDER, "clock": CLOCK} | more
    return SmtpMailer(host="127.0.0.1", port=port, **given)


async def test_a_letter_arrives_as_it_was_written(plain: int, hand: Taking) -> None:
    await _mailer(plain).send(LETTER)
    (letter,) = hand.taken
    assert letter["to"] == LETTER.to
    assert letter["from"] == SENDER
    assert letter["subject"] == LETTER.subject
    assert letter["date"].datetime == CLOCK.now()
    assert letter["message-id"].endswith("@lumen.test>")
    assert letter.get_content().replace("\r\n", "\n").rstrip() == LETTER.text.rstrip()


async def test_a_letter_goes_by_starttls_with_a_name_and_a_password(
    guarded: int, hand: Taking, certificate: Certificate
) -> None:
    trusted = {"security": "starttls", "context": certificate.trusting}
    await _mailer(guarded, **trusted, user="lumen", password="secret").send(LETTER)
    assert len(hand.taken) == 1
    with pytest.raises(MailUnavailable):
        await _mailer(guarded, **trusted, user="lumen", password="wrong").send(LETTER)
    with pytest.raises(MailUnavailable):
        # Nobody vouches for this server.
        await _mailer(guarded, security="starttls", user="lumen", password="secret").send(LETTER)
    with pytest.raises(MailUnavailable):
        # Nothing is said in the open to a server that wants STARTTLS.
        await _mailer(guarded, user="lumen", password="secret").send(LETTER)
    assert len(hand.taken) == 1


async def test_a_letter_goes_by_tls_from_the_first_byte(
    hand: Taking, certificate: Certificate
) -> None:
    async with serving(hand, tls=certificate.serving) as port:
        await _mailer(port, security="tls", context=certificate.trusting).send(LETTER)
    assert len(hand.taken) == 1


@pytest.mark.parametrize(
    ("recipient", "answer", "raised"),
    [
        ("550 no such person", "250 OK", MailRefused),
        ("451 try later", "250 OK", MailUnavailable),
        ("250 OK", "554 looks like spam", MailRefused),
        ("250 OK", "452 no room", MailUnavailable),
    ],
)
async def test_a_refusal_is_told_from_a_delay(
    plain: int, hand: Taking, recipient: str, answer: str, raised: type[Exception]
) -> None:
    hand.recipient, hand.answer = recipient, answer
    with pytest.raises(raised) as refused:
        await _mailer(plain).send(LETTER)
    # Neither the address nor the server's words about it, for this is logged.
    assert "ada" not in str(refused.value)
    assert hand.taken == []


async def test_a_server_that_is_away_is_told_as_such() -> None:
    async def hang_up(_reader: Any, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        mailer = SmtpMailer(
            host="127.0.0.1", port=port, security="none", sender=SENDER, clock=CLOCK
        )
        with pytest.raises(MailUnavailable):
            await mailer.send(LETTER)


@pytest.mark.parametrize("to", ["ada@example.org\nBcc: eve@example.org", "ada\r\n@example.org"])
async def test_nothing_is_smuggled_into_the_head(plain: int, hand: Taking, to: str) -> None:
    with pytest.raises(MailRefused):
        await _mailer(plain).send(Letter(to, "Hello", "Hello"))
    with pytest.raises(MailRefused):
        await _mailer(plain).send(Letter(LETTER.to, "Hello\nBcc: eve@example.org", "Hello"))
    assert hand.taken == []


async def test_the_console_shows_a_letter_in_one_piece() -> None:
    out = io.StringIO()
    await ConsoleMailer(out).send(LETTER)
    assert f"To: {LETTER.to}\nSubject: {LETTER.subject}\n\nA link:" in out.getvalue()
