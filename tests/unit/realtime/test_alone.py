"""The library can be had alone: it needs msgspec, and what an adapter needs only with that one."""

import subprocess
import sys

SCRIPT = """
import sys

class Wall:
    allowed = {"msgspec", "realtime", *sys.stdlib_module_names}
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] not in self.allowed:
            raise ImportError(f"realtime reached for {name}")

sys.meta_path.insert(0, Wall())
import realtime, realtime.testing, realtime.telemetry, realtime.transports.websocket
"""


def test_it_imports_with_nothing_but_msgspec() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, check=False, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
