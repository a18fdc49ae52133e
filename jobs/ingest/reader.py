"""The process that reads what strangers wrote, and dies of it in our place.

It is started as `python -m jobs.ingest.reader SECONDS` and takes one order after the other. Before
it imports any parser it gives up the network, the files and the memory that reading does not need;
for each order it may use so many seconds of the processor, and is ended by the system after them.
"""

import ctypes
import os
import resource
import struct
import sys
from typing import BinaryIO

CPU_SECONDS = 12
_MEGABYTE = 1 << 20
_LIMITS = {
    resource.RLIMIT_AS: 1536 * _MEGABYTE,
    # The model of languages is unpacked into a file that is gone at once.
    resource.RLIMIT_FSIZE: 256 * _MEGABYTE,
    resource.RLIMIT_CORE: 0,
    resource.RLIMIT_NOFILE: 64,
}
_NICE = 5
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
LENGTH = struct.Struct(">I")


def confine() -> None:
    """Give up what reading does not need; where the system refuses a part, go on without it."""
    os.nice(_NICE)
    for limit, most in _LIMITS.items():
        _, hard = resource.getrlimit(limit)
        bound = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(limit, (bound, bound))
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(_CLONE_NEWNET) != 0:
            libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET)


def allow(seconds: int) -> None:
    """Allow so many seconds of the processor from now on."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    until = int(used.ru_utime + used.ru_stime) + 1 + seconds
    soft = until if hard == resource.RLIM_INFINITY else min(until, hard)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


def serve(orders: BinaryIO, results: BinaryIO, seconds: int) -> None:
    """Carry out orders until there are no more, each within its seconds."""
    from jobs.ingest import reading  # noqa: PLC0415 - loads the parsers under the limits

    while head := orders.read(LENGTH.size):
        order = orders.read(LENGTH.unpack(head)[0])
        allow(seconds)
        result = reading.carried_out(order)
        results.write(LENGTH.pack(len(result)) + result)
        results.flush()


def main() -> None:
    """Take orders from stdin, and give results to what was stdout."""
    confine()
    # Nothing that a parser prints gets between the results.
    results = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    serve(sys.stdin.buffer, results, int(sys.argv[1]))


if __name__ == "__main__":
    main()
