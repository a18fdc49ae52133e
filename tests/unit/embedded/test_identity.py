import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from server.embedded import EmbeddedError, identity
from server.embedded.identity import AS_WE_ARE, Identity


@pytest.fixture
def as_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)


def test_an_ordinary_user_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert identity.choose(tmp_path, tmp_path) == AS_WE_ARE


@pytest.mark.usefixtures("as_root")
def test_root_is_mapped_where_that_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(identity, "user_namespaces_work", lambda: True)
    chosen = identity.choose(tmp_path / "new", tmp_path)
    assert chosen.options() == ["--user-namespace"]


@pytest.mark.usefixtures("as_root")
def test_root_becomes_somebody_who_can_reach_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    somebody = SimpleNamespace(pw_uid=65534, pw_gid=65534)
    monkeypatch.setattr(identity, "user_namespaces_work", lambda: False)
    monkeypatch.setattr(identity, "_find", lambda name: somebody if name == "nobody" else None)
    monkeypatch.setattr(identity, "_passable", lambda *_: True)
    assert identity.choose(tmp_path / "new", tmp_path) == Identity(user=65534, group=65534)


@pytest.mark.usefixtures("as_root")
def test_root_is_told_what_to_do_when_there_is_no_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(identity, "user_namespaces_work", lambda: False)
    monkeypatch.setattr(identity, "_passable", lambda *_: False)
    with pytest.raises(EmbeddedError, match="set LUMEN_HOME to a folder whose parents"):
        identity.choose(tmp_path / "new", tmp_path)


def test_a_closed_parent_cannot_be_passed(tmp_path: Path):
    stranger = SimpleNamespace(pw_uid=65534, pw_gid=65534)
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    assert not identity._passable(closed / "data", stranger)
