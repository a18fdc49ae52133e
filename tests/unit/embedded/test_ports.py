import socket
from pathlib import Path

import pytest

from server.embedded import EmbeddedError, ports


def test_a_pick_is_below_the_ports_of_outgoing_connections():
    assert all(20000 <= ports.pick() < 32768 for _ in range(50))


def test_a_port_in_use_is_not_free():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert not ports.is_free(taken.getsockname()[1])


def test_a_port_is_remembered(tmp_path: Path):
    file = tmp_path / "port"
    assert ports.remembered(file) == ports.remembered(file) == int(file.read_text())


def test_a_remembered_port_that_was_never_ours_is_replaced(tmp_path: Path):
    for written in ("", "no number", "80", "40000"):
        file = tmp_path / "port"
        file.write_text(written)
        assert 20000 <= ports.remembered(file) < 32768


def test_a_host_of_another_machine_is_named():
    with pytest.raises(EmbeddedError, match=r"HOST=192\.0\.2\.1 cannot be listened on"):
        ports.is_free(20000, "192.0.2.1")
