"""Judge any server that speaks Phoenix: python -m tests.conformance ws://host:port/socket

It must serve the rooms that tests/conformance/app.py describes. `--strict` also tries what we
promise beyond Phoenix; names after the address choose cases.
"""

import argparse
import asyncio
import sys

from tests.conformance.cases import CASES, Case
from tests.conformance.wire import Judge


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    parser.add_argument("url", help="ws://host:port/socket, as phoenix.js is given it")
    parser.add_argument("names", nargs="*", help="the cases to try; all of them by default")
    parser.add_argument("--transport", choices=("websocket", "longpoll"), action="append")
    parser.add_argument("--strict", action="store_true", help="also what goes beyond Phoenix")
    given = parser.parse_args()
    failed = count = 0
    for transport in given.transport or ("websocket", "longpoll"):
        for case in CASES:
            wanted = not given.names or case.name in given.names
            if not wanted or transport not in case.transports or (case.beyond and not given.strict):
                continue
            count += 1
            failed += not _told(case, Judge(given.url, transport))
    sys.stdout.write(f"{count - failed} of {count} rules hold\n")
    sys.exit(bool(failed))


def _told(case: Case, judge: Judge) -> bool:
    try:
        asyncio.run(case.talk(judge))
    except Exception as error:  # noqa: BLE001 - whatever a foreign server makes of it is a failure
        sys.stdout.write(f"FAIL {judge.transport:9} {case.rule}\n     {error!r}\n")
        return False
    sys.stdout.write(f"ok   {judge.transport:9} {case.rule}\n")
    return True


if __name__ == "__main__":
    main()
