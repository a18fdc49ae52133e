"""Letters to the terminal: the mail port where no mail server is set."""

import sys
from typing import TextIO

from server.kernel.mail import Letter

_LINE = "-" * 64


class ConsoleMailer:
    """Shows each letter to the operator, who is also the reader while nothing else is set."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out

    async def send(self, letter: Letter) -> None:
        """Write the letter down in one piece."""
        out = self._out or sys.stderr
        head = f"To: {letter.to}\nSubject: {letter.subject}"
        out.write(f"{_LINE}\n{head}\n\n{letter.text.rstrip()}\n{_LINE}\n")
        out.flush()
