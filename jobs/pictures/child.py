"""The process that develops one picture and ends: `python -m jobs.pictures.child PARENT`.

It is confined as the one that renders cards before it imports anything that decodes.
"""

import os
import sys

from jobs.cards.child import confine


def main() -> None:
    """Take the order, develop, report."""
    confine()
    if os.getppid() != int(sys.argv[1]):
        sys.exit("The process that started this one is gone already.")
    from jobs.pictures import work  # noqa: PLC0415 - loads the decoders under the limits

    work.carry_out(sys.stdin.buffer.read(), sys.stdout.buffer)


if __name__ == "__main__":
    main()
