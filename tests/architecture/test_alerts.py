"""docs/alerts.yml watches numbers that there are, by labels that they have."""

import re
from pathlib import Path

import pytest
import yaml
from prometheus_client import REGISTRY

from server import app
from server.kernel import cache, limits

FILE = Path(__file__).parents[2] / "docs" / "alerts.yml"
LOADED = (app, cache, limits)
_NAME = re.compile(r"\b([a-z]+_[a-z_]+)(?=[{\[ ])")
_WORDS = frozenset({"histogram_quantile"})


@pytest.mark.row("M-37")
@pytest.mark.row("V-37")
def test_every_alert_is_about_a_number_that_is_shown() -> None:
    rules = yaml.safe_load(FILE.read_text("utf-8"))["groups"][0]["rules"]
    known = {name for metric in REGISTRY.collect() for name in _series(metric.name, metric.type)}
    assert len(rules) >= 8
    for rule in rules:
        assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}, rule
        names = set(_NAME.findall(rule["expr"])) - _WORDS
        assert names, rule["expr"]
        assert sorted(names - known) == [], rule["alert"]


def _series(name: str, kind: str) -> list[str]:
    if kind == "counter":
        return [f"{name}_total"]
    if kind == "histogram":
        return [f"{name}_bucket", f"{name}_count", f"{name}_sum"]
    return [name]
