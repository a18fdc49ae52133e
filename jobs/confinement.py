"""What a process gives up before it touches anything of a stranger: for the children of workers."""

import ctypes
import os
import resource
import signal
import sys
from collections.abc import Mapping

_PR_SET_PDEATHSIG = 1
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000


def confine(limits: Mapping[int, int], nice: int) -> None:
    """Give up what is not needed; where the system refuses a part, go on without it.

    The limits are by their `resource.RLIMIT_` numbers. The process loses the network, and dies with
    the one that started it.
    """
    os.nice(nice)
    for limit, most in {resource.RLIMIT_CORE: 0, **limits}.items():
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
