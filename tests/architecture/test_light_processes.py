"""What the processes load: no torch anywhere by default, nothing of the workers' in the web."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = ("av", "onnx", "onnxruntime", "PIL", "sentence_transformers", "tokenizers", "torch")
TELL = "import json, sys; print(json.dumps([name for name in {heavy} if name in sys.modules]))"


def loaded_after(statement: str) -> list[str]:
    """Run a statement in an interpreter of its own; which heavy packages it has then."""
    program = f"{statement}\n{TELL.format(heavy=HEAVY)}"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    found: list[str] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("module", ["server.app", "server.catalog", "server.media", "server.cli"])
def test_the_web_loads_nothing_of_the_workers(module: str) -> None:
    assert loaded_after(f"import {module}") == []


def test_workers_load_no_torch() -> None:
    found = loaded_after(
        "from jobs.catalog import MODULES, load\n"
        "load(MODULES)\n"
        "import jobs.embed.onnx_engine, jobs.cards.work"
    )
    assert "onnxruntime" in found
    assert not {"torch", "sentence_transformers"} & set(found)


def test_a_worker_of_posters_and_vectors_does_not_load_what_renders_films() -> None:
    found = loaded_after("from jobs.catalog import load\nload(['embed', 'cards'])")
    assert "av" not in found
