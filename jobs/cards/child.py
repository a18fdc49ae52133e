"""The process that renders one card and ends.

It is started as `python -m jobs.cards.child PARENT` with an order on stdin. Before it imports what
decodes and encodes it gives up what it does not need: memory, time, file sizes, the network, its
priority; and it dies with the process that started it.
"""

import ctypes
import os
import resource
import signal
import sys

_MEGABYTE = 1 << 20
_LIMITS = {
    resource.RLIMIT_AS: 1500 * _MEGABYTE,
    resource.RLIMIT_CPU: 60,
    resource.RLIMIT_FSIZE: 16 * _MEGABYTE,
    resource.RLIMIT_NOFILE: 64,
    resource.RLIMIT_CORE: 0,
}
_NICE = 10
_PR_SET_PDEATHSIG = 1
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000


def confine() -> None:
    """Give up what rendering does not need; where the system refuses a part, go on without it."""
    os.nice(_NICE)
    for limit, most in _LIMITS.items():
        _, hard = resource.getrlimit(limit)
        bound = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(limit, (bound, bound))
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # A network of its own has not even a loopback. Who is not root may make one only as the root
    # of a user namespace, and where neither is allowed the other limits must do.
    if libc.unshare(_CLONE_NEWNET) != 0:
        libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET)


def main() -> None:
    """Take the order, render, report."""
    confine()
    if os.getppid() != int(sys.argv[1]):
        sys.exit("The process that started this one is gone already.")
    from jobs.cards import work  # noqa: PLC0415 - loads PyAV and Pillow under the limits

    work.carry_out(sys.stdin.buffer.read(), sys.stdout.buffer)


if __name__ == "__main__":
    main()
