"""Letters over SMTP, by STARTTLS or TLS: the mail port for everywhere but a laptop."""

import asyncio
import smtplib
import ssl
from typing import Literal, TypeAlias

from server.kernel.clock import Clock
from server.kernel.mail import Letter, MailRefused, MailUnavailable, message_of

Security: TypeAlias = Literal["starttls", "tls", "none"]

SECONDS = 15.0
# The server's own words about an address or a letter are final from here on (RFC 5321 4.2.1).
_FINAL = 500
_LOCAL = "localhost"


class SmtpMailer:
    """Opens a connection for each letter: they are few, and servers close what idles."""

    def __init__(  # noqa: PLR0913 - one argument for each setting
        self,
        *,
        host: str,
        port: int,
        security: Security,
        sender: str,
        clock: Clock,
        user: str | None = None,
        password: str | None = None,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self._host, self._port, self._security = host, port, security
        self._user, self._password = user, password
        self._sender, self._clock = sender, clock
        self._context = context or ssl.create_default_context()

    async def send(self, letter: Letter) -> None:
        """Hand a letter to the server.

        Raises:
            MailUnavailable: the server is away, or will not have it now.
            MailRefused: the server will not have it ever.

        """
        message = message_of(letter, self._sender, self._clock)
        # smtplib blocks; its thread ends by the socket's timeout at the latest.
        try:
            await asyncio.to_thread(self._hand_over, message.as_bytes(), letter.to, message["From"])
        except smtplib.SMTPRecipientsRefused as error:
            codes = [code for code, _ in error.recipients.values()]
            raise _verdict(max(codes, default=0)) from error
        except (smtplib.SMTPSenderRefused, smtplib.SMTPDataError) as error:
            raise _verdict(error.smtp_code) from error
        except (smtplib.SMTPException, OSError) as error:
            raise MailUnavailable(f"{type(error).__name__} from the mail server.") from error

    def _hand_over(self, message: bytes, to: str, sender: str) -> None:
        with self._connected() as server:
            if self._security == "starttls":
                server.starttls(context=self._context)
            if self._user is not None:
                server.login(self._user, self._password or "")
            options = [] if to.isascii() else ["SMTPUTF8"]
            server.sendmail(_bare(sender), [to], message, mail_options=options)

    def _connected(self) -> smtplib.SMTP:
        if self._security == "tls":
            return smtplib.SMTP_SSL(
                self._host, self._port, _LOCAL, timeout=SECONDS, context=self._context
            )
        return smtplib.SMTP(self._host, self._port, _LOCAL, timeout=SECONDS)


def _bare(sender: str) -> str:
    """The address in `Lumen <mail@lumen.example>`, which is all that the envelope names."""
    return sender.rpartition("<")[2].rstrip("> ")


def _verdict(code: int) -> MailRefused | MailUnavailable:
    # Never the server's words: they repeat the address, and refusals are logged.
    said = f"The mail server said {code}."
    return MailRefused(said) if code >= _FINAL else MailUnavailable(said)
