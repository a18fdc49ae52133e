"""Letters to people: what one is, and the port through which it leaves."""

from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from typing import Protocol

from msgspec import Struct

from server.kernel.clock import Clock


class Letter(Struct, frozen=True):
    """One letter to one address, in plain text."""

    to: str
    subject: str
    text: str
    # Besides the usual ones, such as the way to be written to no more.
    headers: tuple[tuple[str, str], ...] = ()


class MailUnavailable(Exception):
    """The letter could not be handed over just now; trying again later may help."""


class MailRefused(Exception):
    """The letter will never be taken: the address, or what it says, is refused for good."""


class Mailer(Protocol):
    """Hands letters over, one at a time; the same letter may leave twice after a crash."""

    async def send(self, letter: Letter) -> None:
        """Hand a letter over.

        Raises:
            MailUnavailable: not just now.
            MailRefused: never.

        """
        ...


def message_of(letter: Letter, sender: str, clock: Clock) -> EmailMessage:
    """Write a letter as it travels (RFC 5322).

    Raises:
        MailRefused: the address or the subject cannot stand in a header.

    """
    message = EmailMessage()
    local, _, domain = letter.to.rpartition("@")
    try:
        message["From"] = sender
        message["To"] = Address(username=local, domain=domain)
        message["Subject"] = letter.subject
        for name, value in letter.headers:
            message[name] = value
    except (ValueError, IndexError) as error:
        raise MailRefused("The letter's head cannot be written.") from error
    message["Date"] = format_datetime(clock.now())
    message["Message-ID"] = make_msgid(domain=sender.rpartition("@")[2].strip("<> ") or "localhost")
    # Machines that answer letters shall leave this one alone (RFC 3834).
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(letter.text)
    return message
