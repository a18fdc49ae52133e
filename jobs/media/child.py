"""The process that encodes one file and ends.

It is started as `python -m jobs.media.child PARENT` with an order on stdin. Before it imports what
decodes and encodes it gives up memory, time, file sizes, the network, its priority; and it dies
with the process that started it.
"""

import os
import resource
import sys

from jobs.confinement import confine

_MEGABYTE = 1 << 20
LIMITS = {
    # Threads of the decoder hold frames each; a film in 4K takes most of this.
    resource.RLIMIT_AS: 3000 * _MEGABYTE,
    resource.RLIMIT_CPU: 12 * 3600,
    resource.RLIMIT_FSIZE: 16_384 * _MEGABYTE,
    resource.RLIMIT_NOFILE: 128,
}
_NICE = 15


def main() -> None:
    """Take the order, encode, report."""
    confine(LIMITS, _NICE)
    if os.getppid() != int(sys.argv[1]):
        sys.exit("The process that started this one is gone already.")
    from jobs.media import work  # noqa: PLC0415 - loads PyAV and Pillow under the limits

    work.carry_out(sys.stdin.buffer.read(), sys.stdout.buffer)


if __name__ == "__main__":
    main()
