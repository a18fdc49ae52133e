"""The process that renders one card and ends.

It is started as `python -m jobs.cards.child PARENT` with an order on stdin. Before it imports what
decodes and encodes it gives up what it does not need: memory, time, file sizes, the network, its
priority; and it dies with the process that started it.
"""

import os
import resource
import sys

from jobs import confinement

_MEGABYTE = 1 << 20
_LIMITS = {
    resource.RLIMIT_AS: 1500 * _MEGABYTE,
    resource.RLIMIT_CPU: 60,
    resource.RLIMIT_FSIZE: 16 * _MEGABYTE,
    resource.RLIMIT_NOFILE: 64,
}
_NICE = 10


def confine() -> None:
    """Give up what rendering does not need; where the system refuses a part, go on without it."""
    confinement.confine(_LIMITS, _NICE)


def main() -> None:
    """Take the order, render, report."""
    confine()
    if os.getppid() != int(sys.argv[1]):
        sys.exit("The process that started this one is gone already.")
    from jobs.cards import work  # noqa: PLC0415 - loads PyAV and Pillow under the limits

    work.carry_out(sys.stdin.buffer.read(), sys.stdout.buffer)


if __name__ == "__main__":
    main()
