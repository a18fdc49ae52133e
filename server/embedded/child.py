"""Become another program that dies with its parent; run as a script, before anything is imported.

The steps stand here and not in a `preexec_fn`, which must not run Python in a process with threads.
"""

import argparse
import ctypes
import os
import sys

_PR_SET_PDEATHSIG = 1
_CLONE_NEWUSER = 0x10000000
_MAPPED_ID = 1000


def main(arguments: list[str]) -> None:
    """Take on the identity and limits asked for, then become the command."""
    options = _parser().parse_args(arguments)
    if options.nice:
        os.nice(options.nice)
    if options.user_namespace:
        enter_user_namespace()
    if options.user is not None:
        os.setgroups([])
        os.setgid(options.group)
        os.setuid(options.user)
    if sys.platform == "linux":
        # After the change of user, which would clear it.
        _libc().prctl(_PR_SET_PDEATHSIG, options.death_signal)
        if os.getppid() != options.parent:
            sys.exit("The process that started this one is gone already.")
    os.execv(options.command[0], options.command)  # noqa: S606 (the point: no shell in between)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser()
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--death-signal", type=int, required=True)
    parser.add_argument("--nice", type=int, default=0)
    parser.add_argument("--user-namespace", action="store_true")
    parser.add_argument("--user", type=int)
    parser.add_argument("--group", type=int)
    parser.add_argument("command", nargs="+")
    return parser


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def enter_user_namespace() -> None:
    """Be an ordinary user to the program and root's files to the rest of the machine."""
    user, group = os.getuid(), os.getgid()
    if _libc().unshare(_CLONE_NEWUSER) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    # A group map may be written by an unprivileged process only once setgroups is denied.
    for name, line in (
        ("setgroups", "deny"),
        ("uid_map", f"{_MAPPED_ID} {user} 1"),
        ("gid_map", f"{_MAPPED_ID} {group} 1"),
    ):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:  # noqa: PTH123 (see first line)
            file.write(line)


if __name__ == "__main__":
    main(sys.argv[1:])
